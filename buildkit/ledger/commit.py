"""The git commit of a project."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildkit.support.errors import ToolError
from buildkit.system import git

if TYPE_CHECKING:
    from pathlib import Path

HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def commit(folder: Path, ledger: str) -> str | None:
    """The commit of a folder, with `-dirty` if tracked files differ from it; None outside git.

    The ledger does not count: it grows with each release, and is committed afterwards.
    """
    try:
        found = git.run(folder, "rev-parse", "HEAD")
        head = found.output.strip().rpartition("\n")[2]
        if found.code != 0 or not HASH.fullmatch(head):
            return None
        changed = git.run(
            folder, "status", "--porcelain", "--untracked-files=no",
            "--", ":/", f":(exclude){ledger}",
        )  # fmt: skip
    except ToolError:  # no git
        return None
    return f"{head}-dirty" if changed.code != 0 or changed.output.strip() else head
