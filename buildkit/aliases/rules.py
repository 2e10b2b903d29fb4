"""The tags of a repository -> the tag that each alias of a target belongs at.

docs/aliases.md is the specification; a number in brackets is that of its rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import semver
from packaging.version import InvalidVersion, Version

from buildkit.model import families, names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from buildkit.model.target import Target

Order = tuple[bool, Any]
"""Whether it is a final version [8], and the version, as its own grammar compares it [7]."""
Grammar = Callable[[str], Order | None]
NOTHING: Mapping[str, Collection[str]] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Move:
    """An alias, and the exact tag that it is to be at; it may be there already."""

    alias: str
    tag: str


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An alias that stays where it is, because of versions that cannot be ordered [11]."""

    alias: str
    message: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    moves: tuple[Move, ...]
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An exact tag. `version` is the framework's, with its `+`; `revision` is -1 for none."""

    tag: str
    version: str
    revision: int


def decide(
    target: Target, tags: Iterable[str], held_back: Mapping[str, Collection[str]] = NOTHING
) -> Decision:
    """Where each alias of `target` belongs: at the newest candidate, by one grammar for all [6].

    `tags` are all that the repository has; `held_back` are, for an alias, the exact tags that it
    must not be at. An alias for which no tag is left is in neither part of the answer.
    """
    moves, refusals = [], []
    for alias, candidates in _candidates(target, tags, held_back).items():
        if not candidates:
            continue
        found = newest(candidates)
        if found is None:
            refusals.append(_refusal(alias, candidates))
        else:
            moves.append(Move(alias=alias, tag=found.tag))
    return Decision(moves=tuple(moves), refusals=tuple(refusals))


def candidate(tag: str, version: str) -> Candidate:
    """An image by its tag, and its version with a revision, if it has one."""
    framework_version, revision = names.split_revision(version)
    return Candidate(tag=tag, version=_read(framework_version), revision=int(revision or -1))


def newest(candidates: Sequence[Candidate]) -> Candidate | None:
    """The newest of one or more, by one grammar for all; None where no grammar reads all."""
    grammar = next((each for each in (_semantic, _python) if _all(each, candidates)), None)
    if grammar is None:
        return None
    return max(candidates, key=lambda each: _rank(grammar(each.version), each))


def _candidates(
    target: Target, tags: Iterable[str], held_back: Mapping[str, Collection[str]]
) -> dict[str, list[Candidate]]:
    """For each alias of the target, the tags that it may be at [1-4]."""
    found: dict[str, list[Candidate]] = {
        alias: [] for alias in families.aliases_of(target.family, target.version)
    }
    if target.family is None:
        return found
    for tag in sorted(set(tags)):
        if (version := families.version_of(target.family, tag)) is None:
            continue
        for alias in families.aliases_of(target.family, version):
            if alias in found and tag not in held_back.get(alias, ()):
                found[alias].append(candidate(tag, version))
    return found


def _read(version: str) -> str:
    """Give back the `+` for which a tag has a dot: the last dot that makes it a version [5]."""
    return next((text for text in _spellings(version) if _semantic(text) or _python(text)), version)


def _spellings(version: str) -> Iterator[str]:
    yield version
    for position in range(len(version) - 1, 0, -1):
        if version[position] == ".":
            yield f"{version[:position]}+{version[position + 1 :]}"


def _semantic(text: str) -> Order | None:
    try:
        version = semver.Version.parse(text)
    except ValueError:
        return None
    return version.prerelease is None, version


def _python(text: str) -> Order | None:
    try:
        version = Version(text)
    except InvalidVersion:
        return None
    return not version.is_prerelease, version


def _all(grammar: Grammar, candidates: Iterable[Candidate]) -> bool:
    return all(grammar(each.version) is not None for each in candidates)


def _rank(order: Order | None, candidate: Candidate) -> tuple[object, ...]:
    """What is compared, first things first [8-10]."""
    return (order, candidate.revision, len(candidate.tag), candidate.tag)


def _refusal(alias: str, candidates: Sequence[Candidate]) -> Refusal:
    not_semantic = [each for each in candidates if _semantic(each.version) is None]
    not_python = [each for each in candidates if _python(each.version) is None]
    neither = [each for each in not_semantic if each in not_python]
    if neither:
        blamed = neither[0]
        why = f"`{blamed.version}` is neither a semantic version nor one of Python (PEP 440)"
    else:
        blamed = not_python[0]
        why = (
            f"`{not_semantic[0].version}` is no semantic version, and `{blamed.version}` is none "
            "of Python (PEP 440)"
        )
    return Refusal(
        alias=alias,
        message=f"the alias `{alias}` stays where it is: {why}, so nobody can say which is newest",
        hint=f"name versions such as `{blamed.version}` by another `tag`, or remove `{blamed.tag}`",
    )
