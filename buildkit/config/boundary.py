"""Which files a project may read: its own, and others only if the user allows it.

A project may be somebody else's, and the files it names end up in images and in test containers.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.support.errors import UsageError
from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAG = "--allow-outside"
GIT = ".git"


@dataclass(frozen=True, kw_only=True)
class Odd:
    """A link that leads out of the project to `end`; or a device, a pipe or a socket: `kind`."""

    path: Path
    end: str | None = None
    kind: str = ""


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """The root folder of a project, links resolved. `open`: the user allows files outside of it."""

    root: Path
    open: bool = False

    def check(self, path: Path, shown: str) -> None:
        """Raise ValueError for a path that leads out of the project, also through links."""
        if (end := self.outside(path)) is not None:
            leads = "is" if end == shown else f"leads to `{end}`,"
            raise ValueError(
                f"`{shown}` {leads} outside of the project `{self.root}`; move it into the "
                f"project, or pass `{FLAG}`"
            )

    def outside(self, path: Path) -> str | None:
        """Where a path leads, if that is outside of the project and the user does not allow it."""
        end = os.path.realpath(path)
        return None if self.open or Path(end).is_relative_to(self.root) else end

    def inside(self, folder: Path, name: str) -> Path:
        """The path of a file that buildkit writes, such as a record or the ledger.

        Raises UsageError for a link that leads out: a foreign project could contain one.
        """
        path = folder / name
        if (end := self.outside(path)) is not None:
            raise UsageError(
                f"`{path}` leads to `{end}`, outside of `{self.root}`",
                hint=f"remove the link, or pass `{FLAG}`",
            )
        return path

    def odd(self, folder: Path) -> Iterator[Odd]:
        """The entries below a folder that cannot be read. Links to folders are not followed."""
        for path in _odd(folder):
            if (end := self.outside(path)) is not None:
                yield Odd(path=path, end=end)
            elif (kind := special(path)) is not None:
                yield Odd(path=path, kind=kind)


def around(folder: Path, *, open_: bool = False) -> Boundary:
    """The boundary of the project in `folder`: the root of its git repository, else the folder.

    The entry `.git` marks a root; no process is started. The user's home and the folders above are
    never a project, although versioned dotfiles make the home a git repository, too.
    """
    start = Path(os.path.realpath(folder))
    home = Path(os.path.realpath(os.path.expanduser("~")))  # noqa: PTH111 - it never fails
    root = next((each for each in (start, *start.parents) if os.path.lexists(each / GIT)), start)
    return Boundary(root=start if home.is_relative_to(root) else root, open=open_)


def named(folder: Path, limits: Boundary) -> Boundary:
    """How far links may lead in a folder that the user named: the project that it is in.

    For a folder outside of the project, it is the folder itself.
    """
    start = Path(os.path.realpath(folder))
    inside = start.is_relative_to(limits.root)
    return limits if inside else Boundary(root=start, open=limits.open)


def _odd(folder: Path) -> Iterator[Path]:
    """Everything below a folder but files and folders: links, devices, pipes, sockets."""
    folders = [os.fspath(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in sorted(entries, key=lambda each: each.name):
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif not entry.is_file(follow_symlinks=False):
                        yield Path(entry.path)
        except OSError:  # reported by the code that reads the folder
            continue


def special(path: Path) -> str | None:
    """What a path leads to, if that is neither a file nor a folder, else None."""
    try:
        mode = path.stat().st_mode
    except OSError:  # a link that leads to nothing
        return None
    return None if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else reading.kind(mode)
