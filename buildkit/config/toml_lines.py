"""Find the line of a key in TOML text, with the TOML parser itself.

A file that is cut after a whole statement is still TOML. So the line of a key is the first line
after the longest such beginning in which the key does not exist yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomli

if TYPE_CHECKING:
    from collections.abc import Sequence

Path = tuple[str | int, ...]


def line_of(text: str, path: Path) -> int | None:
    """The line (from 1) of `path`, or of the longest part of it that exists."""
    whole = tomli.loads(text)
    while path and not _exists(whole, path):
        path = path[:-1]
    if not path:
        return None
    lines = text.splitlines(keepends=True)
    before, after = 0, len(lines)  # the key is absent in lines[:before], present in lines[:after]
    while after - before > 1:
        middle = (before + after) // 2
        end, document = _readable(lines, middle, after)
        if document is None or _exists(document, path):
            after = middle
        else:
            before = end
    return _statement(lines, before) + 1


def _readable(lines: Sequence[str], start: int, stop: int) -> tuple[int, dict[str, Any] | None]:
    """The shortest beginning of at least `start` lines that parses; (stop, None) if none does.

    A cut inside a statement of several lines (an array, a string) does not parse.
    """
    for end in range(start, stop):
        try:
            return end, tomli.loads("".join(lines[:end]))
        except tomli.TOMLDecodeError:
            continue
    return stop, None


def _exists(document: object, path: Path) -> bool:
    try:
        value_at(document, path)
    except LookupError:
        return False
    return True


def value_at(document: object, path: Path) -> object:
    """The value at `path`. Raises LookupError if there is none."""
    for key in path:
        match document:
            case dict() if key in document:
                document = document[key]
            case list() if isinstance(key, int) and key < len(document):
                document = document[key]
            case _:
                raise LookupError(key)
    return document


def _statement(lines: Sequence[str], index: int) -> int:
    """Skip the blank lines and comments before the statement."""
    while index < len(lines) - 1 and lines[index].strip().partition("#")[0] == "":
        index += 1
    return index
