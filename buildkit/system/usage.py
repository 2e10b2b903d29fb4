"""How much space files take, and what is free once they are removed."""

from __future__ import annotations

import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Usage:
    """How much a cache keeps, or has freed: its entries, and their bytes."""

    entries: int = 0
    size: int = 0


def measure(paths: Iterable[Path]) -> Usage:
    """The usage of files and folders. One that another run removes meanwhile counts as empty."""
    sizes = [_size(path) for path in paths]
    return Usage(entries=len(sizes), size=sum(sizes))


def remove(paths: Iterable[Path]) -> Usage:
    """Remove files and folders, and return the usage of those that are gone."""
    sizes = []
    for path in paths:
        size = _size(path)
        with suppress(OSError):  # of another user, or removed by another run
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            sizes.append(size)
    return Usage(entries=len(sizes), size=sum(sizes))


def _size(path: Path) -> int:
    """The bytes in a file, or in all files of a folder."""
    with suppress(OSError):
        about = path.lstat()
        if stat.S_ISDIR(about.st_mode):
            return sum(map(_size, path.iterdir()))
        return about.st_size
    return 0
