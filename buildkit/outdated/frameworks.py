"""Frameworks of which the package index has newer releases.

The framework of a target is each package that `packages` pins to the target's own version.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from buildkit.lock import resolve
from buildkit.lock.request import Request, platform
from buildkit.matrix import compatibility
from buildkit.outdated import uv
from buildkit.outdated.finding import Finding, Kind
from buildkit.support.amounts import count
from buildkit.support.errors import ToolError
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from buildkit.config.network import Network
    from buildkit.model.target import Target

TRIES = 5
"""Releases that may lack the files of a label before the search for one that has them ends."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A request for one package, and the label that its newest release must have, such as `cpu`."""

    request: Request
    label: str | None


@dataclass(frozen=True, kw_only=True)
class Framework:
    """A package that has the version of a target, and where the target gets it from."""

    name: str
    version: Version
    request: Request

    def question(self, limit: str = "") -> Question:
        wanted = replace(self.request, requirements=(f"{self.name}{limit}",))
        return Question(request=wanted, label=self.version.local)

    @property
    def now(self) -> str:
        return self.version.public

    @property
    def series(self) -> str:
        """The limit to releases with the same beginning, `==1.7.*` for 1.7.2."""
        return f"=={'.'.join(map(str, self.version.release[:-1]))}.*"

    def has_series_of(self, other: Version) -> bool:
        numbers = self.version.release[:-1]
        return other.release[: len(numbers)] == numbers


def find(targets: Sequence[Target], every: Sequence[Target], network: Network) -> Iterator[Finding]:
    """`every` are all targets: a release that one of them has is not new to the project."""
    asked: dict[Framework, list[str]] = {}
    for target in targets:
        for framework in _of(target):
            asked.setdefault(framework, []).append(target.id)
    if not asked:
        return
    there = {(each.name, each.version.public) for target in every for each in _of(target)}
    console.say(f"looking up the releases of {count(len({f.name for f in asked}), 'framework')}")
    release = partial(_release, network=network)
    last, unknown = uv.ask((each.question() for each in asked), release)
    others = [
        each for each in asked if (q := each.question()) in last and not each.has_series_of(last[q])
    ]
    # A series without an answer has no release but the one in use, which was withdrawn.
    within, _ = uv.ask((each.question(each.series) for each in others), release)
    for framework, ids in asked.items():
        found = (within.get(framework.question(framework.series)), last.get(framework.question()))
        newest = [each for each in _newer(framework, found) if (framework.name, each) not in there]
        why = unknown.get(framework.question())
        if newest or why:
            yield Finding(
                kind=Kind.FRAMEWORK,
                name=framework.name,
                targets=tuple(ids),
                now=framework.now,
                newest=tuple(newest),
                unknown=why,
            )


def _newer(framework: Framework, found: Iterable[Version | None]) -> tuple[str, ...]:
    now = Version(framework.now)
    versions = (each.public for each in found if each is not None)
    return tuple(dict.fromkeys(each for each in versions if Version(each) > now))


def _of(target: Target) -> Iterator[Framework]:
    for text in target.packages:
        exact = compatibility.exact(text)
        if exact is not None and exact.version.public == target.framework_version:
            yield Framework(
                name=canonicalize_name(exact.name),
                version=exact.version,
                request=Request(
                    requirements=(),
                    indexes=target.indexes,
                    python=target.python,
                    platform=platform(target),
                ),
            )


def _release(question: Question, network: Network) -> Version:
    """The newest release that has files with the label.

    Another index may have a newer release without it. Raises ToolError.
    """
    (wanted,) = question.request.requirements
    for _ in range(TRIES):
        request = replace(question.request, requirements=(wanted,))
        found = Version(resolve.release(request, network))
        if question.label in (None, found.local):
            return found
        wanted += f"{',' if '=' in wanted else ''}!={found.public}"
    raise ToolError(
        f"none of the {TRIES} newest releases has files for `+{question.label}`",
        hint="check `indexes` in images.toml",
    )
