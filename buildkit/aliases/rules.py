"""The tags of a repository -> the tag that each alias of a target belongs to.

docs/reference/aliases.md is the specification; a number in brackets is that of its rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.model import families, versions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from buildkit.model.target import Target
    from buildkit.model.versions import Candidate


@dataclass(frozen=True, kw_only=True)
class Move:
    """An alias, and the exact tag that it belongs to; it may be there already."""

    alias: str
    tag: str


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An alias that is not moved, because its versions cannot be ordered [11]."""

    alias: str
    message: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    moves: tuple[Move, ...]
    refusals: tuple[Refusal, ...]


def decide(
    target: Target, tags: Iterable[str], held_back: Mapping[str, Collection[str]]
) -> Decision:
    """Where each alias of `target` belongs: at the newest candidate, by one grammar for all [6].

    `tags` are all tags of the repository; `held_back` has, by alias, the exact tags that it must
    not point to. An alias without candidates is in neither part of the answer.
    """
    moves, refusals = [], []
    for alias, candidates in _candidates(target, tags, held_back).items():
        if not candidates:
            continue
        found = versions.newest(candidates)
        if found is None:
            refusals.append(_refusal(alias, candidates))
        else:
            moves.append(Move(alias=alias, tag=found.tag))
    return Decision(moves=tuple(moves), refusals=tuple(refusals))


def _candidates(
    target: Target, tags: Iterable[str], held_back: Mapping[str, Collection[str]]
) -> dict[str, list[Candidate]]:
    """For each alias of the target, the tags that it may point to [1-4]."""
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
                found[alias].append(versions.candidate(tag, version))
    return found


def _refusal(alias: str, candidates: Sequence[Candidate]) -> Refusal:
    not_semantic = [each for each in candidates if versions.semantic(each.version) is None]
    not_python = [each for each in candidates if versions.python(each.version) is None]
    neither = [each for each in not_semantic if each in not_python]
    if neither:
        blamed = neither[0]
        why = f"`{blamed.version}` is neither a semantic nor a Python version (PEP 440)"
    else:
        blamed = not_python[0]
        why = (
            f"`{not_semantic[0].version}` is not a semantic version, and `{blamed.version}` is "
            "not a Python version (PEP 440)"
        )
    return Refusal(
        alias=alias,
        message=f"alias `{alias}` not moved: the newest version is unclear, because {why}",
        hint=f"give versions such as `{blamed.version}` another `tag`, or delete `{blamed.tag}`",
    )
