"""git, run in a project without the programs that the project's own `.git` configures.

A clone contains no configuration, but an archive of somebody's folder may: git would run its
programs to find changes, to convert files, and as hooks. Programs of the user's own configuration
are trusted.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.support.errors import ToolError
from buildkit.system import console, shell

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_PROGRAMS = ("-c", "core.fsmonitor=", "-c", f"core.hooksPath={os.devnull}")
FILTERS = r"^filter\..*\.(clean|smudge|process|required)$"
"""Programs that gitattributes may assign to a file (gitattributes(5), "filter")."""
NOT_IGNORED = 1
"""Exit code of `git check-ignore` for a path that git does not ignore; outside a work tree: 128."""
SUBMODULE = re.compile(r"(?:^|[\0\n])160000 [0-9a-f]+ 0\t([^\0]+)")
"""In the output of `git ls-files --stage -z`."""
ABOUT_SUBMODULES = r"^(submodule\..*\.(path|ignore)|diff\.ignoresubmodules)$"
"""Settings that say what git ignores of a submodule (gitmodules(5), git-config(1))."""
ALL, FILES = "all", "dirty"
"""Values of `ignore`: a submodule counts never, or counts only by its commit."""
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
    """Whether tracked files differ from the commit, also those of submodules, as git counts them.

    Submodules are asked one by one: git would run the filters that only a submodule configures.
    """
    top = _top(folder)
    ignored = _ignored(top)
    words = ("status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=dirty")
    done = run(folder, *words, *paths)
    if done.code != 0 or any(_counts(change, ignored) for change in done.output.split("\0")):
        return True
    asked = [top / path for path, what in ignored.items() if what not in (ALL, FILES)]
    return any(
        _top(each) != each or _is_changed(each) for each in asked if os.path.lexists(each / ".git")
    )


def _counts(change: str, ignored: Mapping[str, str]) -> bool:
    """Whether git counts a change, an entry of `git status`: always if it is staged."""
    is_staged = not change.startswith(" ")
    return bool(change) and (is_staged or ignored.get(change[len("XY ") :]) != ALL)


def _ignored(top: Path) -> dict[str, str]:
    """The submodules of a work tree, by path, and what git ignores of each."""
    paths = SUBMODULE.findall(run(top, "ls-files", "--stage", "-z").output)
    if not paths:
        return {}
    own, shared = _settings(top), _settings(top, "--blob", "HEAD:.gitmodules")
    keys = {path: key.removesuffix("path") for key, path in shared.items() if key.endswith(".path")}
    default = own.get("diff.ignoresubmodules", "")
    wanted = {path: f"{keys[path]}ignore" if path in keys else "" for path in paths}
    return {path: own.get(key) or shared.get(key) or default for path, key in wanted.items()}


def _settings(top: Path, *where: str) -> dict[str, str]:
    """The settings about submodules, by key: of git's configuration, or of a committed file."""
    done = run(top, "config", *where, "--null", "--get-regexp", ABOUT_SUBMODULES)
    pairs = (each.partition("\n") for each in done.output.split("\0"))
    return {key: value for key, _, value in pairs} if done.code == 0 else {}


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
