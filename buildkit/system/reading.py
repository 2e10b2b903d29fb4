"""Read a whole file of a project: a regular one, up to a size. No device, pipe or socket is opened.

Paths may be text: pathlib takes long to load, and `buildkit uri` has no other need of it.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

LARGEST_TEXT = 16 << 20
"""Bytes of a file that is read whole as text: images.toml, a lock, requirements, a template."""


def text(path: str | PathLike[str], limit: int = LARGEST_TEXT) -> str:
    """The text of a regular file. Raises OSError, or ValueError for what is no text of that size.

    A mark at the beginning, which editors of Windows write, is left out, and so is the
    carriage return that ends their lines.
    """
    found = content(path, limit)
    try:
        return found.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(_no_text(found, error)) from error


def content(path: str | PathLike[str], limit: int) -> bytes:
    """The bytes of a regular file. Raises OSError, or ValueError for what has no end.

    What is there is looked at before it is opened, as a device may act on that, and once more
    when it is open; nothing is waited for. No more is read than the limit, also of a file that
    grows or tells no size, such as those of /proc.
    """
    check(path, limit)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - pathlib, as above
        _check(path, os.fstat(descriptor), limit)
        found = file.read(limit + 1) or b""  # None where there is nothing yet
    if len(found) > limit:
        raise ValueError(f"`{_name(path)}` has more bytes than the limit of {limit:,}")
    return found


def check(path: str | PathLike[str], limit: int) -> None:
    """Raise ValueError for what has no end: a device, a pipe, more than `limit` bytes; OSError."""
    _check(path, os.stat(path), limit)  # noqa: PTH116 - pathlib, as above


def kind(mode: int) -> str:
    """What a path is, by the mode that `stat` tells."""
    kinds = {
        stat.S_IFREG: "a file",
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")


def _check(path: str | PathLike[str], status: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"`{_name(path)}` is {kind(status.st_mode)}, a file is wanted")
    if status.st_size > limit:
        raise ValueError(
            f"`{_name(path)}` has {status.st_size:,} bytes, more than the limit of {limit:,}"
        )


def _name(path: str | PathLike[str]) -> str:
    return os.path.basename(path)  # noqa: PTH119 - pathlib, as above


def _no_text(found: bytes, error: UnicodeDecodeError) -> str:
    if found.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "it is UTF-16; save it as UTF-8"
    # The error counts from behind a mark, which is in the first line.
    line = error.object.count(b"\n", 0, error.start) + 1
    byte = error.object[error.start]
    return (
        f"line {line} is not UTF-8: byte 0x{byte:02x} (in Latin-1 `{chr(byte)}`); save it as UTF-8"
    )
