"""Requirements of one package that no version meets: pip would fail after minutes of a build.

Only certain contradictions count. Requirements with a marker or a URL are not compared.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import InvalidRequirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from buildkit.config import requirements

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from packaging.requirements import Requirement
    from packaging.specifiers import Specifier

EXACT = ("==", "===")
ANY = ".*"


class Bound(NamedTuple):
    """The end of a range of versions. `open`: the version itself is not in the range."""

    version: Version
    open: bool


@cache
def problems(packages: tuple[str, ...]) -> tuple[str, ...]:
    """The contradictions among requirements, one for each package."""
    found: dict[str, list[Requirement]] = defaultdict(list)
    for text in packages:
        try:
            requirement = requirements.parsed(text)
        except InvalidRequirement:
            continue  # `targets` reports it
        if not requirement.marker and not requirement.url:
            found[canonicalize_name(requirement.name)].append(requirement)
    return tuple(
        _message(asked)
        for asked in found.values()
        if _contradict([each for one in asked for each in one.specifier])
    )


def _message(asked: list[Requirement]) -> str:
    name = asked[0].name
    if len(asked) == 1:
        return f"no version of {name} meets `{asked[0]}`; write one version or range"
    listed = ", ".join(f"`{each}`" for each in asked)
    return f"no version of {name} meets all of {listed}; remove all but one"


def _contradict(specifiers: list[Specifier]) -> bool:
    pins = [each.version for each in specifiers if each.operator in EXACT and _is_whole(each)]
    try:
        if pins:  # `==1` also allows `1+cpu`, which another one may ask for
            return not any(
                all(each.contains(pin, prereleases=True) for each in specifiers) for pin in pins
            )
        lower = max(_lower(specifiers), default=None)
        upper = min(_upper(specifiers), key=_end, default=None)
        excluded = [*_excluded(specifiers)]
    except InvalidVersion:  # `===` takes any text
        return False
    if lower is None or upper is None:
        return False
    if lower.version == upper.version:
        return lower.open or upper.open
    return lower.version > upper.version or any(
        begin <= lower.version and _end(upper) <= _end(end) for begin, end in excluded
    )


def _is_whole(specifier: Specifier) -> bool:
    return not specifier.version.endswith(ANY)


def _end(bound: Bound) -> tuple[Version, bool]:
    """Orders upper ends: an open one comes before a closed one of the same version."""
    return bound.version, not bound.open


def _lower(specifiers: Iterable[Specifier]) -> Iterator[Bound]:
    for each in specifiers:
        text = each.version.removesuffix(ANY)
        if each.operator in (">=", "~="):
            yield Bound(Version(text), open=False)
        elif each.operator == ">":
            yield Bound(Version(text), open=True)
        elif each.operator == "==":
            yield Bound(Version(f"{text}.dev0"), open=False)


def _upper(specifiers: Iterable[Specifier]) -> Iterator[Bound]:
    for each in specifiers:
        version = Version(each.version.removesuffix(ANY))
        if each.operator == "<=":
            yield Bound(version, open=False)
        elif each.operator == "<":
            yield Bound(version, open=True)
        elif each.operator in ("==", "~="):
            fixed = version.release if each.operator == "==" else version.release[:-1]
            yield _after(version, fixed)


def _after(version: Version, fixed: Sequence[int]) -> Bound:
    """The end of the versions that begin with these numbers."""
    after = (*fixed[:-1], fixed[-1] + 1)
    return Bound(Version(f"{version.epoch}!{'.'.join(map(str, after))}.dev0"), open=True)


def _excluded(specifiers: Iterable[Specifier]) -> Iterator[tuple[Version, Bound]]:
    """The beginning and the end of each range that `!=1.*` excludes."""
    for each in specifiers:
        if each.operator == "!=" and not _is_whole(each):
            text = each.version.removesuffix(ANY)
            version = Version(text)
            yield Version(f"{text}.dev0"), _after(version, version.release)
