"""The machine as `buildkit doctor` finds it: the folders that runs write to."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

READ_ONLY = os.ST_RDONLY


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder, or what is to become one: `free` bytes, and free entries in per cent."""

    path: str
    free: int
    entries: float = 100.0
    writable: bool = True


def folder(path: Path) -> Folder | None:
    """The file system that a folder is, or will be, on; None if the user may not know."""
    for each in (path, *path.parents):
        with suppress(OSError):
            about = os.statvfs(each)
            read_only = bool(about.f_flag & READ_ONLY) or not os.access(each, os.W_OK)
            return Folder(
                path=str(path),
                free=about.f_bavail * about.f_frsize,
                entries=100 * about.f_favail / about.f_files if about.f_files else 100.0,
                writable=not read_only,
            )
    return None
