"""What nobody knows -> an error that names what is near, or what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.errors import NothingSelectedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST = 12
"""Names that an error lists."""
SHORTEST = 2
LONGEST = 80
"""Characters of a name that an error repeats."""


def nothing(message: str, wanted: str, known: Iterable[str]) -> NothingSelectedError:
    """The error for a name that is not known, with those that are near."""
    from difflib import get_close_matches  # noqa: PLC0415 - an answer has no need of it

    options = tuple(known)
    if not options:
        return NothingSelectedError(message, hint="leave it out")
    word = wanted[:LONGEST].lower()
    near = get_close_matches(word, options, n=3)
    if len(word) >= SHORTEST:  # `tei` is not like `huggingface-tei`, but in it
        near = near or [name for name in options if word in name]
    return NothingSelectedError(
        message, hint=listed("did you mean", near) if near else listed("there is", options)
    )


def shown(word: str) -> str:
    """A word as a message repeats it: short, on one line."""
    text = word if word.isprintable() else ascii(word)[1:-1]
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def listed(what: str, names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[-MOST:])
    more = f", and {len(names) - MOST} more" if len(names) > MOST else ""
    return f"{what}: {shown}{more}"
