"""A tag that the data lacks -> what its words mean, by the other tags of its repository."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from buildkit.prebuilt.naming import DEVICES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.prebuilt.facts import Entry

PYTHON = re.compile(r"py[23][0-9]*")
NUMBER = r"[0-9][0-9A-Za-z.]*"
BUILD = r"(?:-[0-9]+)?(?![^-])"
"""The suffix of some versions, as in `1.7-1`."""
ARM = "arm64"
"""The word of tags for ARM, in repositories that also have others."""
BASES = ("{base}", "{full_base}")


class Place(NamedTuple):
    """The place of the version in the tags of an image: the number of the word, and its prefix."""

    prefix: str
    word: int


class Facts(NamedTuple):
    """An image: of one outside ECR nothing is known, since its tag could mean anything.

    `tag_goes_on` is what the tag adds to one that the data has; `newer` are versions.
    """

    framework: str | None = None
    version: str | None = None
    purposes: Sequence[str] = ()
    devices: Sequence[str] = ()
    pythons: Sequence[str] = ()
    base_framework: str | None = None
    tag_goes_on: str | None = None
    newer: Sequence[str] = ()


def image(tag: str | None, entries: Sequence[Entry]) -> Facts:
    """The image of a tag; `entries` are the images of its repository, if known.

    The version is the one in the tag, even if the data has a full one for it: another tag may stand
    for another image.
    """
    frameworks = [*dict.fromkeys(each.framework for each in entries)]
    words = (tag or "").split("-")
    version = _version(tag or "", entries)
    devices = [word for word in words if word in DEVICES]
    alike = [
        each
        for each in entries
        if (ARM in each.tag.split("-")) == (ARM in words)
        and (not devices or each.device is None or each.device in devices)
    ]
    return Facts(
        framework=frameworks[0] if len(frameworks) == 1 else None,
        version=version,
        purposes=[*dict.fromkeys(each.purpose for each in alike)],
        devices=devices,
        pythons=[word for word in words if PYTHON.fullmatch(word)],
        base_framework=_base(words[0], version, entries),
    )


def _base(first: str, version: str | None, entries: Sequence[Entry]) -> str | None:
    """Of Hugging Face's `2.0-transformers4.28.1-…` the first word is the base, and no version.

    A short base is not completed: the data does not have the tag, which may have another base.
    """
    base = next((each.bases[0] for each in entries if each.tag.startswith(BASES)), None)
    if base is None or version is None or not re.fullmatch(NUMBER, first):
        return None
    return f"{base.rstrip('0123456789.')}{first}"


def _version(tag: str, entries: Sequence[Entry]) -> str | None:
    """None where the tag has no version at any place where the repository's tags have one."""
    places = dict.fromkeys(place for each in entries if (place := _place(each)) is not None)
    build = BUILD if not entries or any("-" in each.names[0] for each in entries) else ""
    for prefix, word in sorted(places, reverse=True) or (() if entries else (Place("", 0),)):
        start = rf"(?:[^-]+-){{{word}}}{re.escape(prefix)}"
        if match := re.match(rf"{start}({NUMBER}{build})(?![^-])", tag):
            return match[1]
    return None


def _place(entry: Entry) -> Place | None:
    version = rf"(?:\{{version\}}|{re.escape(entry.names[0])})"
    found = [
        Place(match[1], entry.tag[: match.start()].count("-"))
        for match in re.finditer(rf"(?<![^-])([a-z]*){version}(?![^-])", entry.tag)
    ]
    return max(found, default=None)
