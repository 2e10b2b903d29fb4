"""Write a file at once or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from buildkit.errors import ToolError

if TYPE_CHECKING:
    from pathlib import Path

RANDOM = "[a-z0-9_]" * 8
"""How a file ends that is being written (tempfile), as a pattern: an editor's may begin so, too."""


def write_text(
    path: Path,
    text: str,
    hint: str = "make room, or name another folder with `--dist` or `--output`",
) -> None:
    """Write a file at once or not at all. Raises ToolError."""
    try:
        _write(path, text)
    except OSError as error:
        raise ToolError(f"{path} cannot be written: {error.strerror}", hint=hint) from error


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


def _write(path: Path, text: str) -> None:
    import tempfile  # noqa: PLC0415 - who only reads has no need of it

    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)  # noqa: PTH101 - mkstemp made it private
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise
