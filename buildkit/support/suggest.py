"""Unknown name -> an error that suggests similar names, or lists the available ones."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from buildkit.support import addresses
from buildkit.support.errors import NothingSelectedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST = 12
"""Most names that an error lists."""
SUGGESTED = 3
SHORTEST = 2
LONGEST = 80
"""Most characters of a name that an error repeats."""


def nothing(message: str, wanted: str, known: Iterable[str]) -> NothingSelectedError:
    """The error for an unknown name, with similar ones."""
    from difflib import get_close_matches  # noqa: PLC0415 - only errors need it

    options = tuple(known)
    if not options:
        return NothingSelectedError(message, hint="leave it out")
    if len(wanted) > LONGEST:
        message = message.replace(wanted, shown(wanted))
    if not wanted.strip():
        return NothingSelectedError(
            f"{message.rstrip()}: the value is empty (is a shell variable unset?)",
            hint=there_are(options),
        )
    word = wanted[:LONGEST].lower()
    near = get_close_matches(word, options, n=SUGGESTED)
    found = sorted(near, key=lambda name: -_alike(word, name))
    if len(word) >= SHORTEST:
        # of those that begin with the word, the most similar first: `pytorch` for `pytorc`
        starts = [name for name in (*found, *options) if name.startswith(word)]
        exact = [name for name in options if name.lower() == word]
        found = [*exact, *starts, *found]
        # `tei` is not similar to `huggingface-tei`, but a part of it
        found = [*dict.fromkeys(found or (name for name in options if word in name))][:SUGGESTED]
    return NothingSelectedError(
        message, hint=listed("did you mean", found) if found else there_are(options)
    )


def _alike(one: str, other: str) -> int:
    """The length of the beginning that two words share."""
    return len([*takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))])


def shown(word: str) -> str:
    """A word for a message: short, on one line, without a password."""
    word = addresses.shown(word)
    text = word if word.isprintable() else ascii(word)[1:-1]
    return addresses.cut(text, LONGEST)


def near_names(word: str, known: Sequence[str]) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415 - loads slowly

    return get_close_matches(word[:LONGEST], known, n=SUGGESTED)


def near_to(word: str, known: Sequence[str]) -> str:
    """Similar names, or else the available ones; the end of a sentence."""
    near = near_names(word, known)
    return listed("did you mean", near) if near else there_are(known)


def there_are(names: Sequence[str]) -> str:
    return listed("available", names)


def listed(what: str, names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:MOST])
    more = f", and {len(names) - MOST} more" if len(names) > MOST else ""
    return f"{what}: {shown}{more}"
