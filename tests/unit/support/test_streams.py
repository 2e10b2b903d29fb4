"""Chunks are read as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkit.support import streams

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_a_read_returns_what_was_asked_for_until_the_end(size: int) -> None:
    file = streams.file([b"", b"ab", b"c", b"", b"defg"])
    parts = [*iter(lambda: file.read(size), b"")]
    assert b"".join(parts) == b"abcdefg"
    assert {len(part) for part in parts[:-1]} <= {size}


@pytest.mark.parametrize("size", [-1, None])
def test_the_rest_is_read_without_a_size(size: int | None) -> None:
    file = streams.file([b"abc", b"def"])
    assert file.read(2) == b"ab"
    assert file.read(size) == b"cdef"  # type: ignore[arg-type] # files take None
    assert file.read() == b""


def test_no_more_chunks_are_taken_than_needed() -> None:
    chunks = iter([b"abc", b"def", b"ghi"])
    file = streams.file(chunks)
    assert file.read(4) == b"abcd"
    assert next(chunks) == b"ghi"


def test_an_error_of_the_chunks_is_raised_where_they_are_read() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"abc"
        raise OSError("cut off")

    file = streams.file(chunks())
    assert file.read(2) == b"ab"
    with pytest.raises(OSError, match="cut off"):
        file.read(2)
