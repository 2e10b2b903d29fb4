"""Write a file at once or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from glob import escape
from typing import TYPE_CHECKING

from buildkit.support.errors import ToolError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RANDOM = "[a-z0-9_]" * 8
"""How a file ends that is being written (tempfile), as a pattern: an editor's may begin so, too."""


HINT = "free disk space, or name another folder with `--dist` or `--output`"


def write_text(path: Path, text: str, hint: str = HINT) -> None:
    """Write a file at once or not at all, and the folders that it is in.

    Raises ToolError, for a name that is too long UsageError.
    """
    with _translated(path, hint):
        path.parent.mkdir(parents=True, exist_ok=True)
    rewrite(path, lambda: text, hint)


def rewrite(path: Path, make: Callable[[], str | None], hint: str) -> None:
    """The same in a folder, with a text that is made while no other run writes there.

    None changes nothing. Removes what runs have left that were killed while they wrote it.
    Raises ToolError, and what `make` raises.
    """
    with _translated(path, hint), _alone(path.parent) as alone:
        if alone:
            _sweep(path)
        text = make()
        if text is not None:
            _write(path, text)


def check(path: Path, hint: str, more: int) -> None:
    """Raise ToolError if a file could not be written anew, with `more` bytes than it has.

    Nothing is left of the attempt.
    """
    import tempfile  # noqa: PLC0415 - as below

    try:
        size = path.stat().st_size if path.exists() else 0
        with tempfile.TemporaryFile(dir=path.parent, prefix=f".{path.name}.") as file:
            file.write(bytes(size + more))
            file.flush()
    except OSError as error:
        raise ToolError(f"{path} cannot be written: {error.strerror}", hint=hint) from error


@contextmanager
def _translated(path: Path, hint: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = UsageError if error.errno == errno.ENAMETOOLONG else ToolError
        raise kind(f"{path} cannot be written: {error.strerror}", hint=hint) from error


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether no other run writes into a folder meanwhile; some file systems have no locks.

    The lock is the folder's: the file is replaced. It goes with the process that has it.
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


def _sweep(path: Path) -> None:
    """Remove what was left half-written. Only while no other run writes."""
    for left in path.parent.glob(f".{escape(path.name)}.{RANDOM}"):
        left.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    import tempfile  # noqa: PLC0415 - who only reads has no need of it

    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)  # noqa: PTH101 - mkstemp made it private
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise
