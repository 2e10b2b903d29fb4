"""Advice to ignore the records of targets, which belong to one machine, in git."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.support.errors import ToolError
from buildkit.system import console, git

if TYPE_CHECKING:
    from pathlib import Path

NOT_IGNORED = 1
"""Exit code of `git check-ignore` for such a path; outside a work tree it is 128."""


def advise(records: Path) -> None:
    """Before the first records are written, say how to make git ignore them."""
    if records.exists():
        return
    inside = (
        records / "record"
    )  # a pattern such as `dist/` matches folders only, and this one does not exist yet
    try:
        done = git.run(records.parent, "check-ignore", "--quiet", str(inside.absolute()))
    except ToolError:  # no git
        return
    if done.code == NOT_IGNORED:
        console.say(
            f"hint: git does not ignore `{records.name}/`, which has records of this machine: "
            f"`echo '/{records.name}/' >> {records.parent / '.gitignore'}`",
            fg="cyan",
        )
