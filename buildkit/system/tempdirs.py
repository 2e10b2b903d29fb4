"""Private temporary folders, removed after use, or else by the next run."""

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

from buildkit.system.processes import is_gone, machine

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = re.compile(r"buildkit-(?P<owner>(?P<machine>[0-9a-f]{12})-[0-9]+)-.+")
OLD_SECONDS = 24 * 60 * 60
"""No run takes this long."""


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that only the user can read (mode 0700): it may hold credentials."""
    _sweep_the_dead()
    with tempfile.TemporaryDirectory(prefix=_prefix()) as name:
        yield Path(name)


def remove_all() -> None:
    """Remove all folders of this process, without waiting for threads that use them."""
    for path in Path(tempfile.gettempdir()).glob(f"{_prefix()}*"):
        shutil.rmtree(path, ignore_errors=True)


def _prefix() -> str:
    return f"buildkit-{machine()}-{os.getpid()}-"


@cache
def _sweep_the_dead() -> None:
    """Remove the folders of killed processes.

    Folders of another machine or container, or from before a reboot, are judged by age alone.
    """
    for path in Path(tempfile.gettempdir()).glob("buildkit-*"):
        match = NAME.fullmatch(path.name)
        if match is None:
            continue
        with suppress(OSError):  # may belong to another user
            about = path.lstat()
            mine = stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid()
            here = match["machine"] == machine()
            old = time.time() - about.st_mtime > OLD_SECONDS
            if mine and (is_gone(match["owner"].replace("-", "/")) if here else old):
                shutil.rmtree(path)
