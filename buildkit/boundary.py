"""What a project may read of this machine: what lies in it, and more only if the user allows it.

A project may be somebody else's: what it names enters images, and containers under test.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAG = "--allow-outside"
GIT = ".git"
LARGEST_TEXT = 16 << 20
"""Bytes of a file that is read whole as text: images.toml, a lock, requirements, a template."""


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

    def links(self, folder: Path) -> Iterator[tuple[Path, str]]:
        """The links below a folder that lead out of the project, and where to; none is followed."""
        for link in () if self.open else _links(folder):
            if (end := self.outside(link)) is not None:
                yield link, end


def around(folder: Path, *, open_: bool = False) -> Boundary:
    """The boundary of the project in `folder`: its root of git, without git the folder itself.

    Git is known by its entry `.git`, and no process is started. Neither the home of the user nor
    a folder above it is a project: versioned dotfiles make it a root of git, too.
    """
    start = Path(os.path.realpath(folder))
    home = Path(os.path.realpath(os.path.expanduser("~")))  # noqa: PTH111 - it never fails
    root = next((each for each in (start, *start.parents) if os.path.lexists(each / GIT)), start)
    return Boundary(root=start if home.is_relative_to(root) else root, open=open_)


def read_text(path: Path, limit: int = LARGEST_TEXT) -> str:
    """The text of a regular file. Raises OSError, or ValueError for what is no text of that size.

    A mark at the beginning, which editors of Windows write, is left out, and so is the
    carriage return that ends their lines.
    """
    check_file(path, limit)
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(_no_text(content, error)) from error


def check_file(path: Path, limit: int) -> None:
    """Raise ValueError for what has no end: a device, a pipe, more than `limit` bytes; OSError."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"`{path.name}` is {kind(status.st_mode)}, a file is wanted")
    if status.st_size > limit:
        raise ValueError(
            f"`{path.name}` has {status.st_size:,} bytes, more than the limit of {limit:,}"
        )


def kind(mode: int) -> str:
    """What a path is, by the mode that `stat` tells."""
    kinds = {
        stat.S_IFREG: "a file",
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")


def _no_text(content: bytes, error: UnicodeDecodeError) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "it is UTF-16; save it as UTF-8"
    # The error counts from behind a mark, which is in the first line.
    line = error.object.count(b"\n", 0, error.start) + 1
    byte = error.object[error.start]
    return (
        f"line {line} is not UTF-8: byte 0x{byte:02x} (in Latin-1 `{chr(byte)}`); save it as UTF-8"
    )


def _links(folder: Path) -> Iterator[Path]:
    folders = [os.fspath(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in sorted(entries, key=lambda each: each.name):
                    if entry.is_symlink():
                        yield Path(entry.path)
                    elif entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except OSError:  # whoever reads the folder is told that it cannot be
            continue
