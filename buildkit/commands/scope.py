"""What a command works on: images.toml, the targets that SELECT names, and the ledger."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkit import project
from buildkit.config import boundary, images_toml
from buildkit.ledger import ledger
from buildkit.lock import lockfile
from buildkit.support.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.model.target import Target
    from buildkit.project import Project


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The options that commands share, as far as the running command has them."""

    file: Path
    allow_outside: bool
    dist: Path | None = None
    select: tuple[str, ...] = ()
    everything: bool = False
    network: bool = False

    def project(self, *, renders: bool = False, use_environment: bool = True) -> Project:
        return project.read(
            self.file,
            self.dist,
            use_environment=use_environment,
            renders=renders,
            allow_outside=self.allow_outside,
        )

    def config(self) -> images_toml.Config:
        return images_toml.read(self.file, allow_outside=self.allow_outside)

    def ledger(self) -> ledger.Ledger:
        return ledger.beside(self.file, self._limits)

    def lock(self) -> lockfile.Lock | None:
        return lockfile.read(lockfile.beside(self.file, self._limits))

    @property
    def _limits(self) -> boundary.Boundary:
        return boundary.around(self.file.parent, open_=self.allow_outside)

    @property
    def patterns(self) -> tuple[str, ...]:
        """What to select targets by. Raises UsageError for none, or for SELECT and `--all`."""
        if self.everything and self.select:
            raise UsageError("`--all` and SELECT exclude each other", hint="leave one out")
        if not self.everything and not self.select:
            raise UsageError(
                "no target is selected", hint="name targets, such as 'sklearn*', or pass `--all`"
            )
        return self.select or ("*",)

    def targets(self, of: Project) -> tuple[Target, ...]:
        """The selected targets, with a network for the tests of each if `--network` is given."""
        chosen = of.select(self.patterns)
        return tuple(replace(each, network=True) for each in chosen) if self.network else chosen

    def targets_or_all(self, of: Project) -> tuple[Target, ...]:
        """For commands that change no image: without SELECT, every target."""
        return of.select(self.select or ("*",))
