"""Private temporary folders, removed after use, or else by the next run.

The names of temporary files and folders contain the number of the process that created them.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.support import suggest
from buildkit.system import console, usage
from buildkit.system.processes import is_gone, machine

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = re.compile(r"buildkit-(?P<owner>(?P<machine>[0-9a-f]{12})-[0-9]+)-.+")
OLD_SECONDS = 24 * 60 * 60
"""No run takes this long."""


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that only the user can read (mode 0700): it may hold credentials."""
    _name_the_place()
    sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=prefix()) as name:
        yield Path(name)


@cache
def _name_the_place() -> None:
    """Say which folder is used if TMPDIR cannot be, which Python skips without a word."""
    wanted, used = os.environ.get("TMPDIR"), tempfile.gettempdir()
    if wanted and os.path.abspath(wanted) != os.path.abspath(used):  # noqa: PTH100 - as Python does
        console.say(
            f"the folder `{suggest.shown(wanted)}` of TMPDIR is missing, full or not writable: "
            f"temporary files are in `{used}`",
            fg="yellow",
        )


def remove_all() -> None:
    """Remove all folders of this process, without waiting for threads that use them."""
    for path in Path(tempfile.gettempdir()).glob(f"{prefix()}*"):
        shutil.rmtree(path, ignore_errors=True)


def prefix() -> str:
    """How the names of this process begin."""
    return f"buildkit-{machine()}-{os.getpid()}-"


def is_ours(name: str) -> bool:
    """Whether buildkit names temporary files and folders like this."""
    return NAME.fullmatch(name) is not None


@cache
def sweep(place: Path) -> None:
    """Remove what killed processes have left in a folder; once in each process."""
    usage.remove(left_in(place))


def left() -> tuple[Path, ...]:
    """The temporary folders that killed processes have left."""
    return left_in(Path(tempfile.gettempdir()))


def left_in(place: Path) -> tuple[Path, ...]:
    """The files and folders of this user that killed processes have left in a folder.

    Those of another machine or container, or from before a reboot, are judged by age alone; a time
    that is far ahead is no better than an old one.
    """
    return tuple(path for path in sorted(place.glob("buildkit-*")) if _is_left(path))


def _is_left(path: Path) -> bool:
    match = NAME.fullmatch(path.name)
    if match is None:
        return False
    with suppress(OSError):  # another run may remove it
        about = path.lstat()
        if stat.S_ISLNK(about.st_mode) or about.st_uid != os.getuid():
            return False
        if match["machine"] == machine():
            return is_gone(match["owner"].replace("-", "/"))
        return abs(time.time() - about.st_mtime) > OLD_SECONDS
    return False
