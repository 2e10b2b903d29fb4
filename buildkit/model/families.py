"""A family's patterns -> its tags and aliases, and back: which version's tag a tag is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from buildkit.model import names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERSION = "[0-9A-Za-z][0-9A-Za-z._-]*"
IN_TAGS = {"version": VERSION, "framework_version": VERSION, "revision": "[0-9]*"}
WORDS = (*IN_TAGS, "major", "minor")
"""What a family's patterns say of a version; how a tag spells those that a tag may hold."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """How tags and aliases are named that differ in nothing but the version.

    Patterns without other words than those of a version: `{version}-cpu-py311`.
    """

    tag: str
    aliases: tuple[str, ...]


def of(tag: str, aliases: Sequence[str], words: Mapping[str, str]) -> Family | None:
    """Fill in all words but those of the version. None if there are no aliases."""
    fixed = {**words, **{word: f"{{{word}}}" for word in WORDS}}

    def fill(pattern: str) -> str:
        return names.without_plus(names.expand(pattern, fixed))

    return Family(tag=fill(tag), aliases=tuple(map(fill, aliases))) if aliases else None


def aliases_of(family: Family | None, version: str) -> tuple[str, ...]:
    """The aliases that a version of the family may have, none without a family.

    A pattern with a word that the version lacks is left out: `20240101` has no minor version.
    """
    if family is None:
        return ()
    words = names.version_words(names.without_plus(version))
    return tuple(
        names.expand(pattern, words)
        for pattern in family.aliases
        if names.words_of(pattern) <= words.keys()
    )


def version_of(family: Family, tag: str) -> str | None:
    """The version, as tags spell it, whose exact tag that is.

    None if it is no exact tag of the family: it is another's, or it is an alias. As aliases look
    like exact tags (`2.13-cpu-py311`), one is known by this: the version that it seems to be of
    has it as an alias.
    """
    match = _reader(family.tag).fullmatch(tag)
    if match is None:
        return None
    found = match.groupdict()
    version = found.get("version") or "-".join(
        text for text in (found.get("framework_version"), found.get("revision")) if text
    )
    again = names.expand(family.tag, names.version_words(version))
    return version if again == tag and tag not in aliases_of(family, version) else None


@cache
def _reader(pattern: str) -> re.Pattern[str]:
    """What reads the words of a version from a tag."""
    texts, words = [], []
    for number, part in enumerate(re.split(r"\{(\w+)\}", pattern)):
        if number % 2 == 0:
            texts.append(re.escape(part))
        else:
            texts.append(f"(?P={part})" if part in words else f"(?P<{part}>{IN_TAGS[part]})")
            words.append(part)
    return re.compile("".join(texts))
