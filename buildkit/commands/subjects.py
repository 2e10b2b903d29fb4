"""What a command works on that takes a target of images.toml or any image of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.model import names
from buildkit.support.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from buildkit.commands.scope import Scope
    from buildkit.model.target import Target
    from buildkit.project import Project


def targets(project: Project, scope: Scope) -> Sequence[Target]:
    """The targets that the command line names; none if it names an image."""
    patterns = scope.patterns
    if any(names.means(p, each.name, each.id) for each in project.targets for p in patterns):
        return scope.targets(project)
    return ()


def image(subject: Sequence[str], missing: Path | None, command: str, others: str = "") -> str:
    """The one image that is named. Raises UsageError. `missing`: images.toml, if it does not exist.

    `command` is the name of the running one, `others` the end of its hint for several images.
    """
    if len(subject) != 1:
        raise UsageError(
            f"`buildkit {command}` takes one image at a time, but you named {len(subject)}",
            hint=f"`buildkit {command} IMAGE` for each{others}",
        )
    try:
        return names.image(subject[0])
    except ValueError as error:
        if missing:
            raise UsageError(
                f"`{subject[0]}` is not an image, and {missing} not found, so no target matches",
                hint="run the command in the folder of images.toml, or pass `--file`",
            ) from error
        raise UsageError(str(error), hint="`buildkit list` shows the targets") from error
