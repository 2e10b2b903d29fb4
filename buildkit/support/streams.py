"""Chunks of bytes -> a file that is read once, from its start to its end."""

from __future__ import annotations

import io
import sys
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterable


def file(chunks: Iterable[bytes]) -> IO[bytes]:
    """Chunks as a file. `read` takes no more of them than it needs, and raises what they raise."""
    return cast("IO[bytes]", _File(chunks))


class _File(io.BufferedIOBase):
    """`read` returns all bytes that are asked for, fewer only at the end."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = filter(None, chunks)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        left = sys.maxsize if size is None or size < 0 else size
        parts: list[memoryview] = []
        while left and (chunk := self._rest or memoryview(next(self._chunks, b""))):
            parts.append(chunk[:left])
            self._rest = chunk[left:]
            left -= len(parts[-1])
        return b"".join(parts)
