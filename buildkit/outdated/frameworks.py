"""Frameworks of which the package index has newer releases.

The framework of a target is each package that `packages` pins to the target's own version.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from buildkit.lock import request, resolve
from buildkit.lock.request import Request
from buildkit.matrix import compatibility
from buildkit.outdated import uv
from buildkit.outdated.finding import Finding, Kind
from buildkit.support.amounts import count
from buildkit.support.errors import ToolError
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildkit.config.network import Network
    from buildkit.model.target import Target

TRIES = 5
"""Releases that may lack the files of a label before the search for one that has them ends."""


@dataclass(frozen=True, kw_only=True)
class Framework:
    """A package that has the version of a target. `request`: what uv is asked for it."""

    package: str
    version: Version
    request: Request


def find(targets: Sequence[Target], every: Sequence[Target], network: Network) -> Iterator[Finding]:
    """`every` are all targets: a release that one of them has is not new to the project."""
    asked: dict[Framework, list[str]] = {}
    for target in targets:
        for framework in _of(target):
            asked.setdefault(framework, []).append(target.id)
    if not asked:
        return
    there = {(each.package, each.version.public) for target in every for each in _of(target)}
    packages = {each.package for each in asked}
    console.say(f"looking up the releases of {count(len(packages), 'framework')}")
    found, unknown = uv.ask(asked, partial(_newest, network=network))
    for framework, ids in asked.items():
        name, now = framework.package, framework.version.public
        newest = [each for each in found.get(framework, ()) if (name, each) not in there]
        if newest or framework in unknown:
            yield Finding(
                kind=Kind.FRAMEWORK,
                name=name,
                targets=tuple(ids),
                now=now,
                newest=tuple(newest),
                unknown=unknown.get(framework),
            )


def _of(target: Target) -> Iterator[Framework]:
    for text in target.packages:
        exact = compatibility.exact(text)
        if exact is not None and exact.version.public == target.framework_version:
            yield Framework(
                package=canonicalize_name(exact.name),
                version=exact.version,
                request=Request(
                    requirements=(exact.name,),
                    indexes=target.indexes,
                    python=target.python,
                    platform=request.platform(target),
                ),
            )


def _newest(framework: Framework, network: Network) -> tuple[str, ...]:
    """The newest release of the same series, and the newest of all, if they are newer."""
    now = framework.version
    last = _release(framework, "", network)
    found = [last]
    if now.release[:-1] != last.release[: len(now.release) - 1]:
        series = ".".join(map(str, now.release[:-1]))
        found = [*([_release(framework, f"=={series}.*", network)] if series else []), last]
    newer = (each.public for each in found if Version(each.public) > Version(now.public))
    return tuple(dict.fromkeys(newer))


def _release(framework: Framework, limit: str, network: Network) -> Version:
    """The newest release within a limit that has the label of the version in use, such as `+cpu`.

    Another index may have a newer release without it. Raises ToolError.
    """
    (name,) = framework.request.requirements
    limits = [limit] if limit else []
    for _ in range(TRIES):
        wanted = replace(framework.request, requirements=(f"{name}{','.join(limits)}",))
        found = Version(resolve.release(wanted, network))
        if framework.version.local in (None, found.local):
            return found
        limits.append(f"!={found.public}")
    raise ToolError(
        f"none of the {TRIES} newest releases has files for `+{framework.version.local}`",
        hint="check `indexes` in images.toml",
    )
