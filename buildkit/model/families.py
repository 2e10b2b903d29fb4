"""The patterns of a family -> its tags and aliases; a tag -> its version."""

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
"""The words of a version in patterns, and the form of those that a tag may have."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """The patterns of tags and aliases that differ in the version only.

    They have no other words than those of a version: `{version}-cpu-py311`.
    """

    tag: str
    aliases: tuple[str, ...]


def of(tag: str, aliases: Sequence[str], words: Mapping[str, str]) -> Family | None:
    """Fill in all words except those of the version. None if there are no aliases."""
    fixed = {**words, **{word: f"{{{word}}}" for word in WORDS}}

    def fill(pattern: str) -> str:
        return names.without_plus(names.expand(pattern, fixed))

    return Family(tag=fill(tag), aliases=tuple(map(fill, aliases))) if aliases else None


def aliases_of(family: Family | None, version: str) -> tuple[str, ...]:
    """The aliases of a version of the family; none without a family.

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
    """The version, in the spelling of tags, of which `tag` is the exact tag.

    None if it is not an exact tag of the family, but another family's, or an alias. Aliases look
    like exact tags (`2.13-cpu-py311`), but each is an alias of the version that it seems to have.
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
    """The expression that reads the words of a version from a tag."""
    texts, words = [], []
    for number, part in enumerate(re.split(r"\{(\w+)\}", pattern)):
        if number % 2 == 0:
            texts.append(re.escape(part))
        else:
            texts.append(f"(?P={part})" if part in words else f"(?P<{part}>{IN_TAGS[part]})")
            words.append(part)
    return re.compile("".join(texts))
