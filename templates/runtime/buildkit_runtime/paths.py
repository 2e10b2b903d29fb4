"""The folders below `/opt/ml` (TREE-01)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Paths:
    """The fixed tree. Only its root can be changed, for runs outside of a container."""

    base: Path

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> Paths:
        return cls(Path(variables.get("SAGEMAKER_BASE_DIR") or "/opt/ml"))

    @property
    def code(self) -> Path:
        return self.base / "code"

    @property
    def model(self) -> Path:
        return self.base / "model"

    @property
    def models(self) -> Path:
        """The models of a multi-model endpoint."""
        return self.base / "models"

    @property
    def input(self) -> Path:
        return self.base / "input"

    @property
    def config(self) -> Path:
        return self.input / "config"

    @property
    def output(self) -> Path:
        return self.base / "output"

    def channel(self, name: str) -> Path:
        return self.input / "data" / name
