"""What nobody knows -> an error that names what is near, or what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.support import addresses
from buildkit.support.errors import NothingSelectedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST = 12
"""Names that an error lists."""
SUGGESTED = 3
SHORTEST = 2
LONGEST = 80
"""Characters of a name that an error repeats."""


def nothing(message: str, wanted: str, known: Iterable[str]) -> NothingSelectedError:
    """The error for a name that is not known, with those that are near."""
    from difflib import get_close_matches  # noqa: PLC0415 - an answer has no need of it

    options = tuple(known)
    if not options:
        return NothingSelectedError(message, hint="leave it out")
    if len(wanted) > LONGEST:
        message = message.replace(wanted, shown(wanted))
    if not wanted.strip():
        return NothingSelectedError(
            f"{message.rstrip()}: the word for it is empty, as a variable is that is not set",
            hint=there_are(options),
        )
    word = wanted[:LONGEST].lower()
    near = sorted(get_close_matches(word, options, n=3), key=lambda name: -_alike(word, name))
    if len(word) >= SHORTEST:
        near = [*(name for name in options if name.startswith(word)), *near]
        # `tei` is not like `huggingface-tei`, but in it
        near = [*dict.fromkeys(near or (name for name in options if word in name))][:SUGGESTED]
    return NothingSelectedError(
        message, hint=listed("did you mean", near) if near else there_are(options)
    )


def _alike(one: str, other: str) -> int:
    """How many letters two words begin with together."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def shown(word: str) -> str:
    """A word as a message repeats it: short, on one line, without a password."""
    word = addresses.shown(word)
    text = word if word.isprintable() else ascii(word)[1:-1]
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def near_names(word: str, known: Sequence[str]) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415 - it takes long to load

    return get_close_matches(word[:LONGEST], known, n=SUGGESTED)


def near_to(word: str, known: Sequence[str]) -> str:
    """The names that are near, or what there is: the end of a sentence."""
    near = near_names(word, known)
    return listed("near are", near) if near else there_are(known)


def there_are(names: Sequence[str]) -> str:
    return listed("there is" if len(names) == 1 else "there are", names)


def listed(what: str, names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:MOST])
    more = f", and {len(names) - MOST} more" if len(names) > MOST else ""
    return f"{what}: {shown}{more}"
