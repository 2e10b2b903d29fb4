"""Read a whole regular file, up to a size. No device, pipe or socket is opened.

Paths may be strings: pathlib loads slowly, and `buildkit uri` does not need it otherwise.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

LARGEST_TEXT = 16 << 20
"""Most bytes of a text file: images.toml, a lock file, requirements, a template."""


def text(path: str | PathLike[str], limit: int = LARGEST_TEXT) -> str:
    """The text of a regular file. Raises OSError; ValueError if it is too large or not UTF-8.

    A byte order mark and carriage returns, which Windows editors write, are removed.
    """
    return utf8(content(path, limit)).removeprefix("\ufeff").replace("\r\n", "\n")


def utf8(found: bytes) -> str:
    """The text of bytes, unchanged. Raises ValueError that names the line."""
    try:
        return found.decode()
    except UnicodeDecodeError as error:
        raise ValueError(_not_utf8(found, error)) from error


def content(path: str | PathLike[str], limit: int) -> bytes:
    """The bytes of a regular file. Raises OSError; ValueError for other kinds and large files.

    The kind is checked before the file is opened, because opening may affect a device, and again
    afterwards. Nothing blocks. At most `limit` bytes are read, also from a file that grows or
    reports no size, such as those of /proc.
    """
    check(path, limit)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - pathlib, as above
        _check(path, os.fstat(descriptor), limit)
        found = file.read(limit + 1) or b""  # None if there is no data yet
    if len(found) > limit:
        raise ValueError(f"`{_name(path)}` has more bytes than the limit of {limit:,}")
    return found


def check(path: str | PathLike[str], limit: int) -> None:
    """Raise ValueError for a device, a pipe or more than `limit` bytes; OSError."""
    _check(path, os.stat(path), limit)  # noqa: PTH116 - pathlib, as above


def kind(mode: int) -> str:
    """The kind of a path, by its mode in `stat`."""
    kinds = {
        stat.S_IFREG: "a file",
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")


def _check(path: str | PathLike[str], status: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"`{_name(path)}` is {kind(status.st_mode)}, not a file")
    if status.st_size > limit:
        raise ValueError(
            f"`{_name(path)}` has {status.st_size:,} bytes, more than the limit of {limit:,}"
        )


def _name(path: str | PathLike[str]) -> str:
    return os.path.basename(path)  # noqa: PTH119 - pathlib, as above


def _not_utf8(found: bytes, error: UnicodeDecodeError) -> str:
    if found.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "the file is UTF-16; save it as UTF-8"
    line = error.object.count(b"\n", 0, error.start) + 1
    byte = error.object[error.start]
    return (
        f"line {line} is not UTF-8: byte 0x{byte:02x} (in Latin-1 `{chr(byte)}`); save it as UTF-8"
    )
