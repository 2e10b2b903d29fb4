"""Unknown name -> an error that suggests similar names, or lists the available ones."""

from __future__ import annotations

import re
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
ALIKE = 0.65
"""How similar a suggested name has to be (difflib): `merge` is not meant by `serve`."""
LEADING_ZEROS = re.compile(r"(?<![0-9.])0+(?=[0-9])")
""" `SERVE-1` means `SERVE-01`, but 1.05 is not 1.5."""
LONGEST = 80
"""Most characters of a name that an error repeats."""


def no_version(message: str, wanted: str, known: Iterable[str]) -> NothingSelectedError:
    """The error for an unknown version: those with another first or second number are not similar.

    0.29 is not meant by 0.9.
    """
    options = tuple(known)
    number = re.match(r"[0-9]+(?:\.[0-9]+)?", wanted[:LONGEST])
    begins = number and re.compile(rf"{re.escape(number[0])}(?![0-9])")
    if begins is None or any(map(begins.match, options)):
        return nothing(message, wanted, options)
    return NothingSelectedError(_short(message, wanted), hint=there_are(options))


def nothing(message: str, wanted: str, known: Iterable[str]) -> NothingSelectedError:
    """The error for an unknown name, with similar ones."""
    options = tuple(known)
    if not options:
        return NothingSelectedError(message, hint="leave it out")
    message = _short(message, wanted)
    if not wanted.strip():
        return NothingSelectedError(
            f"{message.rstrip()}: the value is empty (is a shell variable unset?)",
            hint=there_are(options),
        )
    word = wanted[:LONGEST].lower()
    found = sorted(near_names(word, options), key=lambda name: -_alike(word, name))
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


def _short(message: str, wanted: str) -> str:
    """A message that repeats no long name."""
    return message.replace(wanted, shown(wanted)) if len(wanted) > LONGEST else message


def _alike(one: str, other: str) -> int:
    """The length of the beginning that two words share."""
    return len([*takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))])


def shown(word: str) -> str:
    """A word for a message: short, on one line, without a password."""
    word = addresses.shown(word)
    text = word if word.isprintable() else ascii(word)[1:-1]
    return addresses.cut(text, LONGEST)


def near_names(word: str, known: Iterable[str], alike: float = ALIKE) -> list[str]:
    """Similar names, the most similar first: only those that differ in case or zeros, if any do.

    Of names that differ only in numbers, the first are those whose numbers are near: `RUN-02` for
    `RUN-1`, if there is no `RUN-01`.
    """
    from difflib import SequenceMatcher, get_close_matches  # noqa: PLC0415 - loads slowly

    wanted = _plain(word[:LONGEST])
    plain: dict[str, list[str]] = {}
    for name in known:
        plain.setdefault(_plain(name), []).append(name)
    if wanted in plain:
        return plain[wanted][:SUGGESTED]
    found = get_close_matches(wanted, plain, n=len(plain) or 1, cutoff=alike)

    letters, numbers = _parts(wanted)

    def distance(name: str) -> tuple[float | list[int], ...]:
        others, theirs = _parts(name)
        if letters == others:
            return -1, [abs(one - other) for one, other in zip(numbers, theirs, strict=True)]
        return -SequenceMatcher(None, name, wanted).ratio(), theirs

    return [each for name in sorted(found, key=distance) for each in plain[name]][:SUGGESTED]


def _plain(name: str) -> str:
    """In lower case, and without the zeros before numbers."""
    return LEADING_ZEROS.sub("", name.lower())


def _parts(name: str) -> tuple[list[str], list[int]]:
    parts = re.split("([0-9]+)", name)
    return parts[::2], [int(part) for part in parts[1::2]]


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
