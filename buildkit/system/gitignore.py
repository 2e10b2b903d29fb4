"""Whether git would take up the records of targets, which belong to one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.support.errors import ToolError
from buildkit.system import console, git

if TYPE_CHECKING:
    from pathlib import Path

NOT_IGNORED = 1
"""How `git check-ignore` ends for such a path; outside of a work tree it ends with 128."""


def advise(records: Path) -> None:
    """Before records are written for the first time: say what keeps git from taking them up."""
    if records.exists():
        return
    inside = records / "record"  # a pattern such as `dist/` is for folders, and this is none yet
    try:
        done = git.run(records.parent, "check-ignore", "--quiet", str(inside.absolute()))
    except ToolError:  # no git
        return
    if done.code == NOT_IGNORED:
        console.say(
            f"hint: git does not ignore `{records.name}/`, where records of this machine are "
            f"kept: `echo '/{records.name}/' >> {records.parent / '.gitignore'}`",
            fg="cyan",
        )
