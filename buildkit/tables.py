"""Data files that people read, too: `[title]`, then words in columns; `#` begins a comment."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def sections(path: str) -> Mapping[str, str]:
    """The text below each title."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes long to load
        _, *parts = f"\n{file.read()}".split("\n[")
    split = (part.partition("]\n") for part in parts)
    return {title: text for title, _, text in split}


def rows(text: str, *, head: bool = False) -> Iterator[list[str]]:
    """The words of each line, of comments only with `head`."""
    for line in text.splitlines():
        if line and (head or not line.startswith("#")):
            yield line.split()
