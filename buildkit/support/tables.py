"""Words in columns: data files that people read, too, and tables that commands print.

In files, each section begins with `[title]`, and each comment with `#`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def sections(path: str) -> Mapping[str, str]:
    """The text below each title."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib loads slowly
        _, *parts = f"\n{file.read()}".split("\n[")
    split = (part.partition("]\n") for part in parts)
    return {title: text for title, _, text in split}


def rows(text: str, *, head: bool = False) -> Iterator[list[str]]:
    """The words of each line; of comments, too, with `head`."""
    for line in text.splitlines():
        if line and (head or not line.startswith("#")):
            yield line.split()


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Align the columns of lines that have the same number of words."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
