"""A tag that the data lacks -> what its words mean, by the other tags of its repository."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from buildkit.prebuilt.naming import DEVICES, begins, full_version, newest_first

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.prebuilt.facts import Entry

PYTHON = re.compile(r"py[23][0-9]*")
NUMBER = r"[0-9][0-9A-Za-z.]*"
BUILD = r"(?:-[0-9]+)?(?![^-])"
"""The suffix of some versions, as in `1.7-1`."""
BASES = ("{base}", "{full_base}")


class Place(NamedTuple):
    """The place of the version in the tags of an image: the number of the word, and its prefix."""

    prefix: str
    word: int


def words(tag: str | None, entries: Sequence[Entry]) -> dict[str, Any]:
    """What `--explain` prints for a tag; `entries` are the images of its repository, if known.

    Of Hugging Face's `2.0-transformers4.28.1-…` the first word is the base, and no version.
    """
    split = (tag or "").split("-")
    version = _in_full(_version(tag or "", entries), entries)
    base = next((each.bases[0] for each in entries if each.tag.startswith(BASES)), None)
    bare = version is not None and base is not None and re.fullmatch(NUMBER, split[0])
    return {
        "version": version,
        "devices": [word for word in split if word in DEVICES],
        "pythons": [word for word in split if PYTHON.fullmatch(word)],
        "base_framework": _base_in_full(f"{base.rstrip('0123456789.')}{split[0]}", version, entries)
        if bare and base
        else None,
    }


def _version(tag: str, entries: Sequence[Entry]) -> str | None:
    """None where the tag has no version at any place where the repository's tags have one."""
    places = dict.fromkeys(place for each in entries if (place := _place(each)) is not None)
    build = BUILD if not entries or any("-" in each.names[0] for each in entries) else ""
    for prefix, word in sorted(places, reverse=True) or (() if entries else (Place("", 0),)):
        start = rf"(?:[^-]+-){{{word}}}{re.escape(prefix)}"
        if match := re.match(rf"{start}({NUMBER}{build})(?![^-])", tag):
            return match[1]
    return None


def _in_full(version: str | None, entries: Sequence[Entry]) -> str | None:
    """The newest full version that a short one names; any other version unchanged."""
    if version is None:
        return None
    meant = [each for each in entries if version in each.names]
    meant = meant or [each for each in entries if begins(each.names[0], version)]
    full = newest_first(full_version(each, version) for each in meant)
    return full[0] if full else version


def _base_in_full(base: str, version: str | None, entries: Sequence[Entry]) -> str:
    """The full base of the images of a version, for a short one; any other base unchanged."""
    known = (each.bases[0] for each in entries if base in each.bases and version == each.names[0])
    return next(known, base)


def _place(entry: Entry) -> Place | None:
    version = rf"(?:\{{version\}}|{re.escape(entry.names[0])})"
    found = [
        Place(match[1], entry.tag[: match.start()].count("-"))
        for match in re.finditer(rf"(?<![^-])([a-z]*){version}(?![^-])", entry.tag)
    ]
    return max(found, default=None)
