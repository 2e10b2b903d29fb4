"""Amounts as people read them: `1 layer`, `2 layers`, `3 repositories`, `12.3 MB`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

THOUSAND = 1000


def count(number: int, noun: str) -> str:
    """A number with its noun, in the plural unless the number is 1."""
    if number == 1:
        return f"{number} {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("ry") else f"{number} {noun}s"


def first_of(words: Sequence[str], noun: str) -> str:
    """The first word, and how many others there are: `numpy and 2 other packages`."""
    return words[0] if len(words) == 1 else f"{words[0]} and {count(len(words) - 1, noun)}"


def megabytes(size: float, form: str = ".1f") -> str:
    """Bytes in MB; `form` is the format of the number."""
    return f"{size / 1e6:{form}} MB"


def size(number: float) -> str:
    """Bytes in the largest unit that fits: `820 B`, `12.3 MB`, `4.0 GB`."""
    for unit in ("B", "kB", "MB"):
        if number < THOUSAND:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= THOUSAND
    return f"{number:.1f} GB"
