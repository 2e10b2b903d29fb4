"""Write files atomically."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import ExitStack, contextmanager
from glob import escape
from typing import TYPE_CHECKING

from buildkit.support.errors import ToolError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

RANDOM = "[a-z0-9_]" * 8
"""Suffix of a temporary file, by tempfile, as a pattern; editors use similar names."""
HINT = "free disk space, or choose another folder with `--dist` or `--output`"


def write_text(path: Path, text: str, hint: str = HINT) -> None:
    """Write a file atomically, and create its folders.

    Raises ToolError; UsageError if the name is too long.
    """
    with _translated(path, hint):
        path.parent.mkdir(parents=True, exist_ok=True)
    rewrite(path, lambda: text, hint)


def rewrite(path: Path, make: Callable[[], str | None], hint: str) -> None:
    """Write a file in an existing folder; `make` runs while no other run writes there.

    None from `make` leaves the file unchanged. Temporary files of killed runs are removed.
    Raises ToolError, and whatever `make` raises.
    """
    with _translated(path, hint), _alone(path.parent) as alone:
        if alone:  # no other run is writing
            for left in path.parent.glob(f".{escape(path.name)}.{RANDOM}"):
                left.unlink(missing_ok=True)
        text = make()
        if text is not None:
            _write(path, text)


def check(path: Path, hint: str, more: int) -> None:
    """Raise ToolError if a file could not be rewritten with `more` bytes than now.

    The attempt leaves no file behind.
    """
    import tempfile  # noqa: PLC0415 - as below

    try:
        size = path.stat().st_size if path.exists() else 0
        with tempfile.TemporaryFile(dir=path.parent, prefix=f".{path.name}.") as file:
            file.write(bytes(size + more))
            file.flush()
    except OSError as error:
        raise ToolError(f"{path} cannot be written: {error.strerror}", hint=hint) from error


def create(new: Mapping[Path, bytes], more: Mapping[Path, bytes], hint: str = HINT) -> None:
    """Create files with their folders, and append `more` to files that exist: all, or nothing.

    Programs, which begin with `#!`, become executable. No file is overwritten, also none that
    appears meanwhile. Raises ToolError.
    """
    with ExitStack() as undo:
        for path, content in new.items():
            with _translated(path, hint):
                _create_folders(path.parent, undo)
                mode = 0o777 if content.startswith(b"#!") else 0o666
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
                undo.callback(path.unlink)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
        for path, content in more.items():
            with _translated(path, hint), path.open("ab") as file:
                undo.callback(os.truncate, path, path.stat().st_size)
                file.write(content)
        undo.pop_all()


def _create_folders(folder: Path, undo: ExitStack) -> None:
    if not folder.is_dir():
        _create_folders(folder.parent, undo)
        folder.mkdir()
        undo.callback(folder.rmdir)


@contextmanager
def _translated(path: Path, hint: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = UsageError if error.errno == errno.ENAMETOOLONG else ToolError
        raise kind(f"{path} cannot be written: {error.strerror}", hint=hint) from error


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Lock a folder against other runs. False if the file system has no locks.

    The lock is on the folder, because the file is replaced. It ends with the process.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _write(path: Path, text: str) -> None:
    import tempfile  # noqa: PLC0415 - only needed to write

    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)  # noqa: PTH101 - mkstemp made it private
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise
