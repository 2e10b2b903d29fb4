"""Temporary folders: private, and gone with the work under them, or else with the next run."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.owners import is_gone, machine

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that nobody else may look into (mode 0700): it may hold credentials."""
    _sweep_the_dead()
    with tempfile.TemporaryDirectory(prefix=_prefix()) as name:
        yield Path(name)


def remove_all() -> None:
    """Remove all folders of this process: whoever works in them is not waited for."""
    for path in Path(tempfile.gettempdir()).glob(f"{_prefix()}*"):
        shutil.rmtree(path, ignore_errors=True)


def _prefix() -> str:
    return f"buildkit-{machine()}-{os.getpid()}-"


@cache
def _sweep_the_dead() -> None:
    """Remove what a process has left that was killed before it could."""
    for path in Path(tempfile.gettempdir()).glob(f"buildkit-{machine()}-*"):
        process = path.name.split("-")[2]
        with suppress(OSError):  # it may be another user's
            mine = not path.is_symlink() and path.stat().st_uid == os.getuid()
            if mine and is_gone(f"{machine()}/{process}"):
                shutil.rmtree(path)
