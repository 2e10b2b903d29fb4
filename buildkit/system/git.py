"""git, run in a project without the programs that the project's own `.git` configures.

A clone contains no configuration, but an archive of somebody's folder may: git would run its
programs to find changes, to convert files, and as hooks. Programs of the user's own configuration
are trusted.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from buildkit.support.errors import ToolError
from buildkit.system import console, shell

NO_PROGRAMS = ("-c", "core.fsmonitor=", "-c", f"core.hooksPath={os.devnull}")
FILTERS = r"^filter\..*\.(clean|smudge|process|required)$"
"""Programs that gitattributes may assign to a file (gitattributes(5), "filter")."""
NOT_IGNORED = 1
"""Exit code of `git check-ignore` for a path that git does not ignore; outside a work tree: 128."""
SUBMODULE = re.compile(r"(?:^|[\0\n])160000 [0-9a-f]+ 0\t([^\0]+)")
"""In the output of `git ls-files --stage -z`."""
HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def run(folder: Path, *words: str) -> shell.Done:
    """Run git in a folder. Raises ToolError if it is not installed."""
    return _run(folder, *words, env=_without_filters(folder))


def commit(ledger: Path) -> str | None:
    """The commit of a ledger's folder, with `-dirty` if tracked files differ; None outside git.

    The ledger does not count: it grows with each release, and is committed afterwards.
    """
    others = (":/", f":(exclude){ledger.name}")
    try:
        found = run(ledger.parent, "rev-parse", "HEAD")
        head = found.output.strip().rpartition("\n")[2]
        if found.code != 0 or not HASH.fullmatch(head):
            return None
        return f"{head}-dirty" if _is_changed(ledger.parent, "--", *others) else head
    except ToolError:  # no git
        return None


def advise_to_ignore(records: Path) -> None:
    """Before the first records are written, say how to make git ignore them.

    Records belong to one machine.
    """
    if records.exists():
        return
    # A pattern such as `dist/` matches folders only, and this one does not exist yet.
    inside = records / "record"
    try:
        done = run(records.parent, "check-ignore", "--quiet", str(inside.absolute()))
    except ToolError:  # no git
        return
    if done.code == NOT_IGNORED:
        console.say(
            f"hint: git does not ignore `{records.name}/`, which has records of this machine: "
            f"`echo '/{records.name}/' >> {records.parent / '.gitignore'}`",
            fg="cyan",
        )


def _is_changed(folder: Path, *paths: str) -> bool:
    """Whether tracked files differ from the commit, also those of submodules.

    Submodules are asked one by one: git would run the filters that only a submodule configures.
    """
    words = ("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty")
    done = run(folder, *words, *paths)
    return (
        done.code != 0
        or bool(done.output.strip())
        or any(_top(each) != each or _is_changed(each) for each in _submodules(_top(folder)))
    )


def _submodules(top: Path) -> list[Path]:
    """The submodules of a work tree that are checked out."""
    found = map(top.joinpath, SUBMODULE.findall(run(top, "ls-files", "--stage", "-z").output))
    return [path for path in found if os.path.lexists(path / ".git")]


def _top(folder: Path) -> Path:
    """The top of the work tree that git finds for a folder, without links."""
    found = run(folder, "rev-parse", "--show-toplevel").output
    return Path(found.removesuffix("\n").rpartition("\n")[2])


def _without_filters(folder: Path) -> dict[str, str]:
    """An environment that disables the project's own filters (git-config(1))."""
    named: dict[str, None] = {}
    for scope in ("--local", "--worktree"):
        found = _run(
            folder, "config", scope, "--includes", "--null", "--name-only", "--get-regexp", FILTERS
        )
        if found.code == 0:
            named.update(dict.fromkeys(filter(None, found.output.split("\0"))))
    settings = [(name, "false" if name.endswith(".required") else "") for name in named]
    return {"GIT_CONFIG_COUNT": str(len(settings))} | {
        f"GIT_CONFIG_{part}_{number}": text
        for number, setting in enumerate(settings)
        for part, text in zip(("KEY", "VALUE"), setting, strict=True)
    }


def _run(folder: Path, *words: str, env: dict[str, str] | None = None) -> shell.Done:
    return shell.run("git", "-C", str(folder), *NO_PROGRAMS, *words, env=env)
