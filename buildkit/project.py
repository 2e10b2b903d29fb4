"""A project: images.toml, its targets, records and templates. Most commands begin with one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkit import records
from buildkit.config import images_toml
from buildkit.ecr import wanted
from buildkit.lock import lockfile
from buildkit.matrix import matrix
from buildkit.render import render
from buildkit.support.errors import ToolError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from buildkit.config.boundary import Boundary
    from buildkit.model.image import Built, Staged, Verified
    from buildkit.model.target import Target


@dataclass(frozen=True, kw_only=True)
class Project:
    """images.toml, the targets it expands to, their records, and the templates.

    `lock` is images.lock, whose pins the targets have; None without the file.
    """

    config: images_toml.Config
    targets: tuple[Target, ...]
    records: records.Records
    templates: render.Templates
    lock: lockfile.Lock | None = None

    def with_lock(self, lock: lockfile.Lock | None) -> Project:
        """The same with other pins, or with none."""
        targets = (lock or lockfile.Lock()).pinned(self.targets)
        return replace(self, targets=targets, lock=lock)

    def select(self, patterns: Sequence[str]) -> tuple[Target, ...]:
        return matrix.select(self.targets, patterns)

    def built(self, target: Target) -> Built:
        """The newest build of a target.

        Raises ToolError if there is none, or if images.toml or images.lock changed it since.
        """
        self.records.check(target.id)  # before hours of work whose results go there
        built = self.records.find(records.BUILT, target.id)
        if built is None:
            raise ToolError("the target is not built", hint=f"`buildkit build {target.id}`")
        if built.target.recipe != target.recipe:
            only_pins = replace(built.target, pins=target.pins).recipe == target.recipe
            file = lockfile.NAME if only_pins else self.config.path.name
            raise ToolError(
                f"{file} has changed since the target was built",
                hint=f"`buildkit build {target.id}`",
            )
        return replace(built, target=target)

    def verified(self, target: Target) -> Verified:
        """The tested image of a target. Raises ToolError if the newest build has not passed."""
        built = self.built(target)
        verified = self.records.find(records.VERIFIED, target.id)
        if verified is None or verified.built.image_id != built.image_id:
            raise ToolError(
                "the image has not passed its test", hint=f"`buildkit test {target.id}`"
            )
        return replace(verified, built=built)

    def staged(self, verified: Verified) -> Staged | None:
        """A tested image as uploaded without a tag; None if no registry has it.

        Raises ToolError for a record that cannot be read.
        """
        staged = self.records.find(records.STAGED, verified.built.target.id)
        if staged is None or staged.verified.built.image_id != verified.built.image_id:
            return None
        return replace(staged, verified=verified)


def read(
    file: Path,
    dist: Path | None,
    *,
    use_environment: bool = True,
    renders: bool = False,
    allow_outside: bool = False,
    within: Boundary | None = None,
) -> Project:
    """Read images.toml, and images.lock beside it. Raises ConfigError with all problems of a file.

    Without `use_environment`, variables such as AWS_REGION are ignored. With `renders`, templates
    are checked together with the file. Paths in the file have to lie in the project, or in
    `within`, unless `allow_outside`.
    """
    found = images_toml.read(
        file, use_environment=use_environment, allow_outside=allow_outside, within=within
    )
    templates = render.templates(found.folder, found.boundary)
    targets = matrix.expand(found, templates if renders else None, also=wanted.problems)
    project = Project(
        config=found,
        targets=targets,
        records=records.kept_in(dist or written(found, "dist"), found.boundary),
        templates=templates,
    )
    lock = lockfile.read(lockfile.beside(found.path, found.boundary))
    return project if lock is None else project.with_lock(lock)


def written(found: images_toml.Config, name: str) -> Path:
    """The folder of the project that results are written into.

    Raises UsageError for a link that leads out of the project: a foreign project could contain one.
    """
    folder = found.folder / name
    try:
        found.boundary.check(folder, name)
    except ValueError as error:
        raise UsageError(
            str(error), hint="choose another folder with `--dist` or `--output`"
        ) from error
    return folder
