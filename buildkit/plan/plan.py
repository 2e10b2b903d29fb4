"""A run's targets -> a decision for each: from its inputs, the records here, and the registries."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit import records
from buildkit.ledger import history, ledger
from buildkit.model.image import IDENTITY
from buildkit.plan import decide, identity, served
from buildkit.plan.known import Known, State
from buildkit.registry.bases import NO_IMAGE
from buildkit.render import inputs
from buildkit.render.inputs import Inputs
from buildkit.support.errors import BuildkitError, ToolError
from buildkit.system import console, workers
from buildkit.verify import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from buildkit.config.network import Network
    from buildkit.ledger.record import Image, Release
    from buildkit.model.image import Built
    from buildkit.model.target import Rendered, Target
    from buildkit.plan.bases import Bases
    from buildkit.plan.decide import Decision, Rules
    from buildkit.plan.identity import Identity
    from buildkit.plan.served import Served
    from buildkit.project import Project
    from buildkit.records import Kind, Value
    from buildkit.registry.manifests import Tagged
    from buildkit.render.render import Templates

AT_ONCE = 16
"""Questions to registries at once."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """The images that the engine has, the decisions about targets to build, by id, and the rest.

    Those of `served` are published; only the ledger lacks them, and the engine has lost them.
    """

    reused: tuple[tuple[Target, Built], ...]
    todo: Mapping[str, Decision]
    served: tuple[Decision, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The decisions about the targets of a run, and their Dockerfiles, in the same order.

    `templates` are those that the Dockerfiles were rendered from, `network` is that of the builds.
    """

    rendered: tuple[Rendered, ...]
    decisions: tuple[Decision, ...]
    bases: Bases
    templates: Templates
    network: Network

    @cached_property
    def _by_id(self) -> Mapping[str, tuple[Rendered, Identity]]:
        pairs = zip(self.rendered, self.decisions, strict=True)
        return {each.target.id: (each, decision.identity) for each, decision in pairs}

    def of(self, *states: State) -> tuple[Decision, ...]:
        return tuple(each for each in self.decisions if each.state in states)

    def split(self, label: Callable[[str, str], str | None]) -> Split:
        """What is left of each target. `label` returns a label of an image of the engine, or None.

        The engine may have lost an image that the records have.
        """
        reused, todo, served = [], {}, []
        for decision in self.of(State.TODO, State.BUILT, State.TESTED):
            target, built = decision.target, decision.built
            if built is not None and label(built.image_id, IDENTITY) == decision.identity.digest:
                reused.append((target, replace(built, target=target)))
            elif decision.found is not None:
                served.append(decision)
            else:
                todo[target.id] = decision
                if built is not None:
                    console.step(target.id, "the engine does not have the image any more", dim=True)
        return Split(reused=tuple(reused), todo=todo, served=tuple(served))

    def noted(self, built: Built, label: str | None) -> Built:
        """An image that was built by this plan, with what it was made from; `label` is on it.

        Raises ToolError if the engine has another base now than when the plan was made, or if files
        have changed since: the build may have read either version.
        """
        target, origin = built.target, built.origin
        rendered, wanted = self._by_id[target.id]
        if origin is None:
            return built
        if label is not None and wanted.base not in (origin.base_digest, NO_IMAGE):
            raise ToolError(
                f"the base `{target.base}` changed while the image was built",
                hint=f"`buildkit build {target.id}`",
            )
        now = Inputs(runtime=self.templates.runtime)
        again = identity.of((rendered,), now, self.bases, self.network)[target.id]
        if label is not None and again != wanted:
            raise ToolError(
                "the files that the image is made from changed while it was built",
                hint=f"`buildkit build {target.id}`",
            )
        made_from = now.parts(rendered, self.templates)
        origin = replace(origin, inputs=wanted.inputs, identity=label, parts=made_from)
        return replace(built, origin=origin)


@dataclass(frozen=True, kw_only=True)
class Planner:
    """Decides about the targets of one project, with the registries that a run publishes to.

    `absent` are those that did not answer when the run began: errors by host.
    """

    project: Project
    network: Network
    rules: Rules
    registries: Sequence[Tagged] = ()
    absent: Mapping[str, BuildkitError] = field(default_factory=dict)
    releases: Sequence[Release] = ()

    def plan(self, rendered: tuple[Rendered, ...], bases: Bases) -> Plan:
        """One question for each target and registry, in parallel; none to an engine."""
        wanted = self._identities(rendered, bases)
        there = self._served(rendered, wanted)
        decisions = tuple(
            self._decision(each, wanted[each.target.id], there.get(each.target.id, ()))
            for each in rendered
        )
        return Plan(
            rendered=rendered,
            decisions=decisions,
            bases=bases,
            templates=self.project.templates,
            network=self.network,
        )

    def _identities(self, rendered: Sequence[Rendered], bases: Bases) -> dict[str, Identity]:
        """None has a target whose context has files that each run writes: it is never the same."""
        found = identity.of(rendered, self._inputs, bases, self.network)
        contexts = {
            (each.target.context, inputs.ignore_file(each.target.dockerfile))
            for each in rendered
            if each.target.context is not None
        }
        config = self.project.config
        book = ledger.beside(config.path, config.boundary).path
        written = (self.project.records.folder.absolute(), book.absolute())
        unstable = {
            (context, ignore)
            for context, ignore in contexts
            for each in written
            if each.is_relative_to(context)
            and inputs.is_seen(Path(context), each.relative_to(context).as_posix(), ignore)
        }
        for each in rendered:
            if (each.target.context, inputs.ignore_file(each.target.dockerfile)) in unstable:
                found[each.target.id] = replace(found[each.target.id], digest=None)
        return found

    def _served(
        self, rendered: Sequence[Rendered], wanted: Mapping[str, Identity]
    ) -> dict[str, list[Served]]:
        asked = [
            partial(_ask, registry, each.target)
            for each in rendered
            for registry in self.registries
            if wanted[each.target.id].digest is not None and not self.rules.force
        ]
        found: dict[str, list[Served]] = {}
        answers: list[tuple[str, Served]] = workers.run(asked, jobs=AT_ONCE)
        for target_id, answer in answers:
            found.setdefault(target_id, []).append(answer)
        order = [each.host for each in self.registries]
        for each in found.values():
            each.sort(key=lambda one: order.index(one.host))
            each += [served.Served(host=host, error=error) for host, error in self.absent.items()]
        return found

    def _decision(self, rendered: Rendered, wanted: Identity, there: Sequence[Served]) -> Decision:
        target = rendered.target
        recorded = self._recorded.get((target.repository, target.tag))
        known = Known(
            target=target,
            identity=wanted,
            served=there,
            recorded=recorded.origin if recorded else None,
            noted=all(
                (each.digest, f"{each.host}/{target.image}") in self._noted
                for each in there
                if each.digest is not None
            ),
        )
        if there and known.noted:
            found = decide.decide(known, self.rules)
            if found.state is State.PUBLISHED:  # whatever the records here say
                return found
        if (built := self._record(records.BUILT, target)) is not None:
            known = replace(known, built=built)
        if known.here is not None:
            known = replace(known, untested=self._untested(known.here, target))
        elif known.before is not None or known.recorded is not None:
            known = replace(known, parts=self._inputs.parts(rendered, self.project.templates))
        return decide.decide(known, self.rules)

    def _untested(self, built: Built, target: Target) -> str:
        """Why an image has to be tested, empty if it has passed the test of now."""
        verified = self._record(records.VERIFIED, target)
        if verified is None or verified.built.image_id != built.image_id:
            return "not tested yet"
        holds = fingerprint.still_holds(verified, replace(built, target=target))
        return "" if holds else "its test changed: the clauses, the samples or the features"

    def _record(self, kind: Kind[Value], target: Target) -> Value | None:
        """A record of an earlier run. One that cannot be read counts as none."""
        try:
            found = self.project.records
            return found.find(kind, target.id) if target.id in self._begun else None
        except BuildkitError:
            return None

    @cached_property
    def _inputs(self) -> Inputs:
        return Inputs(runtime=self.project.templates.runtime)

    @cached_property
    def _begun(self) -> frozenset[str]:
        """The targets that may have records: most of a large project have none."""
        return self.project.records.begun()

    @cached_property
    def _recorded(self) -> dict[tuple[str, str], Image]:
        """The newest image of each exact tag in the ledger."""
        return history.by_tag(self.releases)

    @cached_property
    def _noted(self) -> frozenset[tuple[str, str]]:
        """The images of the ledger: digest and location."""
        found = history.images(self.releases)
        return frozenset((each.digest, place) for _, each in found for place in each.locations)


def _ask(registry: Tagged, target: Target) -> tuple[str, Served]:
    return target.id, served.look(registry, target)
