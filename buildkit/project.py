"""What every command starts with: images.toml, its targets and its records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit import config, matrix, records

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from buildkit.model import Target


@dataclass(frozen=True, kw_only=True)
class Project:
    """images.toml, expanded, and where its records are."""

    config: config.Config
    targets: tuple[Target, ...]
    records: records.Records

    def select(self, patterns: Sequence[str]) -> tuple[Target, ...]:
        return matrix.select(self.targets, patterns)


def read(file: Path, dist: Path | None) -> Project:
    """Read images.toml. Raises ConfigError."""
    found = config.read(file)
    return Project(
        config=found,
        targets=matrix.expand(found),
        records=records.Records(folder=dist or found.folder / "dist"),
    )
