"""What every command starts with: images.toml, its targets and its records."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkit import config, matrix, records, stock
from buildkit.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from buildkit.model import Built, Target, Verified
    from buildkit.shipped import Staged


@dataclass(frozen=True, kw_only=True)
class Project:
    """images.toml, expanded, and where its records are."""

    config: config.Config
    targets: tuple[Target, ...]
    records: records.Records

    def select(self, patterns: Sequence[str]) -> tuple[Target, ...]:
        return matrix.select(self.targets, patterns)

    def built(self, target: Target) -> Built:
        """The image that was last built of a target.

        Raises ToolError if there is none, or if images.toml has changed what it is made of.
        """
        built = self.records.find(records.BUILT, target.id)
        if built is None:
            raise ToolError("it is not built", hint=f"`buildkit build {target.id}`")
        if built.target.recipe != target.recipe:
            raise ToolError(
                f"{self.config.path.name} has changed since it was built",
                hint=f"`buildkit build {target.id}`",
            )
        return replace(built, target=target)

    def verified(self, target: Target) -> Verified:
        """The tested image of a target. Raises ToolError if what is built has not passed."""
        built = self.built(target)
        verified = self.records.find(records.VERIFIED, target.id)
        if verified is None or verified.built.image_id != built.image_id:
            raise ToolError("its image has not passed a test", hint=f"`buildkit test {target.id}`")
        return replace(verified, built=built)

    def staged(self, target: Target) -> Staged | None:
        """The tested image of a target as registries hold it without a tag, None if none does.

        Raises the errors of `verified`.
        """
        verified = self.verified(target)
        staged = self.records.find(records.STAGED, target.id)
        if staged is None or staged.verified.built.image_id != verified.built.image_id:
            return None
        return replace(staged, verified=verified)


def read(file: Path, dist: Path | None, *, alone: bool = False) -> Project:
    """Read images.toml; `alone`, as if there were no environment. Raises ConfigError."""
    found = config.read(file, alone=alone)
    targets = matrix.expand(found)
    stock.check(found, targets)
    return Project(
        config=found,
        targets=targets,
        records=records.Records(folder=dist or found.folder / "dist"),
    )
