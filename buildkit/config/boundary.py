"""What a project may read of this machine: what lies in it, and more only if the user allows it.

A project may be somebody else's: what it names enters images, and containers under test.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAG = "--allow-outside"
GIT = ".git"


@dataclass(frozen=True, kw_only=True)
class Odd:
    """A link that leads out of the project to `end`, or a device, a pipe, a socket: `kind`."""

    path: Path
    end: str | None = None
    kind: str = ""


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """The folder that a project ends at, with all links resolved; `open`: the user allows more."""

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
        """Where a path leads, if that is outside of the project and the user has not allowed it."""
        end = os.path.realpath(path)
        return None if self.open or Path(end).is_relative_to(self.root) else end

    def odd(self, folder: Path) -> Iterator[Odd]:
        """What cannot be read below a folder; no link to a folder is followed."""
        for path in _odd(folder):
            if (end := self.outside(path)) is not None:
                yield Odd(path=path, end=end)
            elif (kind := special(path)) is not None:
                yield Odd(path=path, kind=kind)


def around(folder: Path, *, open_: bool = False) -> Boundary:
    """The boundary of the project in `folder`: its root of git, without git the folder itself.

    Git is known by its entry `.git`, and no process is started. Neither the home of the user nor
    a folder above it is a project: versioned dotfiles make it a root of git, too.
    """
    start = Path(os.path.realpath(folder))
    home = Path(os.path.realpath(os.path.expanduser("~")))  # noqa: PTH111 - it never fails
    root = next((each for each in (start, *start.parents) if os.path.lexists(each / GIT)), start)
    return Boundary(root=start if home.is_relative_to(root) else root, open=open_)


def named(folder: Path, limits: Boundary) -> Boundary:
    """How far links may lead in a folder that the user named: as in the project that it is in.

    Elsewhere it is the folder itself.
    """
    start = Path(os.path.realpath(folder))
    inside = start.is_relative_to(limits.root)
    return limits if inside else Boundary(root=start, open=limits.open)


def _odd(folder: Path) -> Iterator[Path]:
    """All below a folder that is neither a file nor a folder: links, devices, pipes, sockets."""
    folders = [os.fspath(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in sorted(entries, key=lambda each: each.name):
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif not entry.is_file(follow_symlinks=False):
                        yield Path(entry.path)
        except OSError:  # whoever reads the folder is told that it cannot be
            continue


def special(path: Path) -> str | None:
    """What a path is, also through links, that is neither a file nor a folder; None if it is."""
    try:
        mode = path.stat().st_mode
    except OSError:  # a link that leads to nothing
        return None
    return None if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else reading.kind(mode)
