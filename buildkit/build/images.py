"""Planned targets -> images in an engine: logins for their bases, bake, their names and origins."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING

from buildkit.build import bake, epoch
from buildkit.build.epoch import Base
from buildkit.ecr.logins import base_logins
from buildkit.registry import docker_config
from buildkit.support.amounts import count
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from buildkit.build.bake_plan import Plan
    from buildkit.engine.engine import Engine
    from buildkit.model.image import Built
    from buildkit.model.login import Login
    from buildkit.model.target import Target
    from buildkit.support.errors import ToolError


@dataclass(frozen=True, kw_only=True)
class Maker:
    """Makes the images of one plan in one engine.

    `refused` are the registries of ECR, by host, that gave no login.
    """

    plan: Plan
    engine: Engine
    options: bake.Options
    refused: Mapping[str, ToolError]

    def images(self, targets: Sequence[Target]) -> Iterator[tuple[Target, Built | ToolError]]:
        """Each target's image as it comes, or why there is none."""
        sources = {target: self.plan.registry(target.id) for target in targets}
        lost = [(t, self.refused[host]) for t, host in sources.items() if host in self.refused]
        rest = [target for target in targets if sources[target] not in self.refused]
        console.say(f"building {count(len(targets), 'target')}")
        return chain(lost, bake.build(rest, self.plan, self.options))

    def named(self, built: Built) -> Built:
        """Give an image the name of its target, and note the digest of its base."""
        target = built.target
        self.engine.name(self.options.held[target.id], target.image)
        if built.origin is None or "@" in built.origin.base:
            return built
        base = self.engine.find(built.origin.base) or built.origin.base_digest
        return replace(built, origin=replace(built.origin, base_digest=base))

    def label(self, target: Target) -> str | None:
        """The identity that the image of a target has as its label."""
        return self.options.identities.get(target.id)


@dataclass(frozen=True, kw_only=True)
class How:
    """How images are built: at most `jobs` at once; None: as many as buildx allows.

    `verbose`: show the full output of buildx.
    """

    jobs: int | None = None
    fail_fast: bool = False
    no_cache: bool = False
    verbose: bool = False


@contextmanager
def maker(
    plan: Plan,
    engine: Engine,
    how: How,
    identities: Mapping[str, str | None] = MappingProxyType({}),
    caches: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Maker]:
    """Log in to the registries of ECR that images come from and docker has no login for.

    `identities` become labels, by target id; not of an image whose base was not found, so that its
    time is a guess. `caches` are tags that the steps of builds are read from and kept under; the
    classic store can do neither.
    """
    hosts = {each.partition("/")[0] for each in (*caches.values(), *plan.libraries)}
    logins, refused = base_logins((*map(plan.registry, plan.names), *hosts))
    with docker_config.beside(logins) as environment:
        epochs = _epochs(plan, engine, logins, refused)
        guessed = {*plan.names} - {*epochs} if epoch.is_ours() else set()
        options = bake.Options(
            builder=engine.builder,
            containerd=engine.containerd,
            held={id_: engine.held() for id_ in plan.names},
            epochs={**epochs, **dict.fromkeys(guessed, epoch.UNKNOWN)},
            identities={i: e for i, e in identities.items() if e and i not in guessed},
            caches=caches if engine.containerd else {},
            jobs=how.jobs,
            fail_fast=how.fail_fast,
            no_cache=how.no_cache,
            verbose=how.verbose,
            environment=environment,
        )
        yield Maker(plan=plan, engine=engine, options=options, refused=refused)


def _epochs(
    plan: Plan, engine: Engine, logins: Mapping[str, Login], refused: Collection[str]
) -> dict[str, int]:
    """The time of each target that can be built, unless the user has set one for all."""
    bases = {
        target.id: Base(reference=plan.bases[target.id], platform=target.platform)
        for target in (each.target for each in plan.rendered)
        if plan.registry(target.id) not in refused
    }
    times = epoch.find(bases.values(), engine.created, logins)
    return {id_: times[base] for id_, base in bases.items() if base in times}
