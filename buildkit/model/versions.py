"""Finds the newest of several versions, by one grammar for all of them.

docs/reference/aliases.md is the specification; numbers in brackets are those of its rules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import semver
from packaging.version import InvalidVersion, Version

from buildkit.model import names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Order = tuple[bool, Any]
"""Whether the version is final [8], and the version in its own grammar [7]."""
Grammar = Callable[[str], Order | None]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An exact tag. `version` is the framework's, with its `+`; `revision` is -1 for none."""

    tag: str
    version: str
    revision: int


def candidate(tag: str, version: str) -> Candidate:
    """An exact tag, and its version with a revision, if it has one."""
    spelled, revision = names.split_revision(version)
    # Restore the `+` that tags spell as a dot: the last dot that makes it a version [5].
    found = (text for text in _spellings(spelled) if semantic(text) or python(text))
    return Candidate(tag=tag, version=next(found, spelled), revision=int(revision or -1))


def newest(candidates: Sequence[Candidate]) -> Candidate | None:
    """The newest candidate, by one grammar for all; None if no grammar reads all of them."""
    for grammar in (semantic, python):
        orders = {each: grammar(each.version) for each in candidates}
        if None not in orders.values():  # the most important part first [8-10]
            return max(orders, key=lambda c: (orders[c], c.revision, len(c.tag), c.tag))
    return None


def _spellings(version: str) -> Iterator[str]:
    yield version
    for position in range(len(version) - 1, 0, -1):
        if version[position] == ".":
            yield f"{version[:position]}+{version[position + 1 :]}"


@cache
def semantic(text: str) -> Order | None:
    try:
        version = semver.Version.parse(text)
    except ValueError:
        return None
    return version.prerelease is None, version


@cache
def python(text: str) -> Order | None:
    try:
        version = Version(text)
    except InvalidVersion:
        return None
    return not version.is_prerelease, version
