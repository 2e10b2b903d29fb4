"""One run of the tool, and what has to be true after it."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from buildkit import pipeline
from buildkit.pipeline import Choice, Until
from buildkit.support.errors import BuildkitError
from tests.unit.plan.sources import ONE, TWO
from tests.unit.plan.world import AT_LEDGER, Killed, NeedlessError, WrongSkipError

if TYPE_CHECKING:
    from buildkit.model.outcome import Outcome
    from buildkit.model.target import Target
    from buildkit.project import Project
    from tests.unit.plan.world import Held, World

CHOICES = {
    "tests": Choice(until=Until.TESTED),
    "push": Choice(),
    "both": Choice(),
    "kill": Choice(),
    "stage": Choice(until=Until.STAGED),
    "force": Choice(force=True, retest=True),
    "no-cache": Choice(no_cache=True),
    "retest": Choice(retest=True),
}
AGAIN = ("force", "no-cache", "retest")


@dataclass
class Run:
    """One run and its checks."""

    world: World
    kind: str
    hosts: tuple[str, ...]
    edited: bool
    kill_at: int
    killed: bool = False
    images: frozenset[str] = frozenset()

    def go(self) -> None:
        world = self.world
        choice = replace(CHOICES[self.kind], registries=self.hosts, jobs=1)
        try:
            found = world.read()
            network = world.network(found)
            wanted = world.scratch(found, network)
        except BuildkitError:  # the files cannot be built at all
            world.quiet = ""
            world.ends.append("no project")
            return
        before = {
            target.id: [world.held(host, target.repository, target.tag) for host in self.hosts]
            for target in found.targets
        }
        outcomes: tuple[Outcome, ...] = ()
        world.doors, world.kill_at = 0, self.kill_at
        self.images = frozenset(world.engine.images)
        try:
            ended = pipeline.build(found, found.targets, network, choice)
            outcomes = ended.outcomes
        except (BuildkitError, Killed):
            world.ends.append("refused")
        self.killed, world.killed, world.kill_at = world.killed, False, 0
        later = wanted
        if self.edited:
            with suppress(BuildkitError):
                later = world.scratch(world.read(), network)
        for outcome in outcomes:
            world.ends.append("failed" if outcome.error else outcome.status)
            try:
                self.right(outcome, wanted[outcome.target.id])
            except WrongSkipError:
                self.right(outcome, later[outcome.target.id])
            self.lean(outcome.target, wanted[outcome.target.id], before[outcome.target.id])
        self.still(found, outcomes)
        self.keep(found, outcomes, wanted)

    def right(self, outcome: Outcome, wanted: str | None) -> None:
        """What is said to be done is what a build from scratch would have made."""
        world, target = self.world, outcome.target
        if outcome.error is not None:
            return
        if outcome.served is not None:
            self.same(outcome, wanted, self.held(target, target.tag))
        elif outcome.staged is not None:
            self.same(outcome, wanted, self.held(target, outcome.staged.digest))
        else:
            named = world.engine.images.get(world.engine.names.get(target.image, ""))
            self.same(outcome, wanted, [named.essence if named else None])
        if outcome.verified is not None:
            image = world.engine.images[outcome.verified.built.image_id]
            if not world.passes(image.essence, target):
                raise WrongSkipError(f"{target.id}: the image does not pass the test of now")

    def held(self, target: Target, reference: str) -> list[str | None]:
        found = [self.world.held(host, target.repository, reference) for host in self.hosts]
        return [each.essence if each else None for each in found]

    def same(self, outcome: Outcome, wanted: str | None, found: list[str | None]) -> None:
        if wanted is not None and found != [wanted] * len(found):
            raise WrongSkipError(f"{outcome.target.id}: {outcome.status}: {found}, not {wanted}")
        if wanted is None and not self.baked(outcome.target):
            raise WrongSkipError(f"{outcome.target.id}: {outcome.status} on an unknown base")

    def baked(self, target: Target) -> bool:
        return re.sub(r"[^A-Za-z0-9_-]", "_", target.id) in self.world.builder.built

    def lean(self, target: Target, wanted: str | None, before: list[Held | None]) -> None:
        """What is done is not done again."""
        world, baked = self.world, self.baked(target)
        if wanted is None or self.kind in AGAIN or self.edited:
            return
        publishes = self.kind not in ("tests", "stage")
        reachable = not ({*self.hosts} & world.net.down) and not world.net.archived
        same = len({each and each.digest for each in before}) == 1
        there = all(
            each is not None and each.essence == wanted and each.labelled for each in before
        )
        if publishes and reachable and same and there:
            if baked:
                raise NeedlessError(f"{target.id}: built, though all registries have it")
        elif (done := world.done.get(target.id)) is not None:
            essence, exam, image_id = done
            if essence == wanted and image_id in self.images:
                if baked:
                    raise NeedlessError(f"{target.id}: built, though the engine has it")
                if exam == world.exam(target.samples) and image_id in world.tested:
                    raise NeedlessError(f"{target.id}: tested, though it has passed")

    def still(self, found: Project, outcomes: tuple[Outcome, ...]) -> None:
        """After a complete run, and changes that are no inputs, nothing is left to do."""
        world, complete = self.world, len(outcomes) == len(found.targets)
        complete = complete and all(each.error is None for each in outcomes)
        kind = "push" if self.kind == "kill" else self.kind
        if world.quiet == kind and self.kind not in AGAIN:
            put = () if kind == "stage" else world.net.put
            done = (*world.builder.built, *world.tested, *put)
            if done or not (complete or self.killed):
                raise NeedlessError(f"nothing changed, but: {done}")
        world.quiet = kind if complete and not self.edited else ""

    def keep(self, found: Project, outcomes: tuple[Outcome, ...], wanted: dict[str, Any]) -> None:
        """What has been built and tested, as the records say that were written now."""
        ended = {each.target.id: each for each in outcomes}
        for target in found.targets:
            outcome = ended.get(target.id)
            if outcome is None or outcome.error is not None or outcome.built is None:
                if outcome is None or outcome.built is not None or self.baked(target):
                    self.world.done.pop(target.id, None)
            elif not self.edited:
                exam = self.world.exam(target.samples)
                image_id = outcome.built.image_id
                self.world.done[target.id] = (str(wanted[target.id]), exam, image_id)


def run(world: World, kind: str, at: str = "0") -> None:
    """One run of the tool, and what has to be true after it; `at`: where the run is killed."""
    world.clock += timedelta(minutes=1)
    world.runs += 1
    world.net.put.clear()
    world.builder.built.clear()
    world.tested.clear()
    edited = bool(world.meanwhile)
    with world.patched():
        Run(
            world=world,
            kind=kind,
            hosts=(ONE, TWO) if kind == "both" else (ONE,),
            edited=edited,
            kill_at=AT_LEDGER if at == "ledger" else int(at),
        ).go()
