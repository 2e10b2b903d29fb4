"""The pipeline: render -> plan -> bake -> verify -> publish -> aliases -> record.

`build` is all of it, as far as its `Choice` says, for the targets that the plan does not find done.
`test` is `verify` alone; `push` is what follows. A shard of a CI run builds until STAGED, and the
job that collects the shards pushes.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, partial
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from buildkit import recording
from buildkit.build import bake_plan
from buildkit.contract import verdict
from buildkit.lock import check
from buildkit.model.outcome import Outcome, earlier
from buildkit.plan import bases
from buildkit.plan.decide import Rules
from buildkit.plan.known import State
from buildkit.support.errors import BuildkitError, bug
from buildkit.system import console, stopping, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from buildkit.aliases.moves import Moves
    from buildkit.build.images import Maker
    from buildkit.config.network import Network
    from buildkit.engine.engine import Engine
    from buildkit.model.image import Built
    from buildkit.model.target import Rendered, Target
    from buildkit.plan.bases import Bases
    from buildkit.plan.decide import Decision
    from buildkit.plan.plan import Plan
    from buildkit.project import Project
    from buildkit.publish.sender import Sender
    from buildkit.verify.verify import Depth

Item = TypeVar("Item")
PUSHES = 8
"""Images that are pushed at once: what limits a push is the connections of each registry."""


class Until(Enum):
    """How far a run takes each image: tested, uploaded without a tag, or published."""

    TESTED = "tested"
    STAGED = "staged"
    PUBLISHED = "published"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How far a run goes, and how.

    `registries` replace those of images.toml; `given_by` is the option or variable that names them.
    `force`: do everything again. `retest`: test an image again that has passed. `complete`: tag
    nothing unless everything can be tagged. `no_cache`: run all steps of a build again. `jobs`: the
    maximum number of targets in parallel; None: the default of each stage.
    """

    until: Until = Until.PUBLISHED
    registries: tuple[str, ...] = ()
    given_by: str = ""
    force: bool = False
    retest: bool = False
    complete: bool = False
    fail_fast: bool = False
    no_cache: bool = False
    verbose: bool = False
    jobs: int | None = None

    def rules(self, project: Project) -> Rules:
        """How the plan decides."""
        force = "`--no-cache`" if self.no_cache else "`--force`" if self.force else ""
        mutable = project.config.registry.repositories.mutability == "mutable"
        return Rules(force=force, retest=self.retest, mutable=mutable)


@dataclass(frozen=True, kw_only=True)
class Run:
    """How a run ended: the outcomes of the targets that were begun, in the order of the targets.

    `moves` are those of aliases, None if nothing was to be published. `unrecorded` is the error
    that kept what was published out of the ledger.
    """

    outcomes: tuple[Outcome, ...]
    moves: Moves | None = None
    unrecorded: Exception | None = None


def build(project: Project, targets: Sequence[Target], network: Network, choice: Choice) -> Run:
    """Take each target as far as `choice` says, and do nothing again that is done already.

    A target that fails does not stop the others. Raises BuildkitError, before anything is built, if
    a template cannot be rendered, no engine answers, or a registry to publish to does not.
    """
    with _building(project, network, choice) as building:
        found = building.plan(targets)
        settled = [
            Outcome(target=each.target, already=each.found, error=each.error)
            for each in found.of(State.PUBLISHED, State.REFUSED)
        ]
        for outcome in settled:
            _say(outcome)
        stop = choice.fail_fast and found.of(State.REFUSED)
        worked = () if stop or len(settled) == len(targets) else building.work(found)
        outcomes = _in_order(targets, (*settled, *worked))
        return _alias_and_record(project, targets, outcomes, building.sender, choice)


def plan(project: Project, targets: Sequence[Target], network: Network, choice: Choice) -> Plan:
    """What `build` would do. Raises the errors of `build`, but none for a missing engine."""
    with _building(project, network, choice) as building:
        return building.plan(targets)


@contextmanager
def _building(project: Project, network: Network, choice: Choice) -> Iterator[_Building]:
    """The engine is connected when it is needed first. Raises ToolError then."""
    tests_only = choice.until is Until.TESTED
    with ExitStack() as opened, nullcontext() if tests_only else _sender(project, choice) as sender:
        yield _Building(
            project=project,
            network=network,
            choice=choice,
            sender=sender,
            engine=cache(lambda: opened.enter_context(_engine())),
        )


def _engine() -> AbstractContextManager[Engine]:
    from buildkit.engine import engine  # noqa: PLC0415 - without work, no engine is asked

    return engine.connect()


@dataclass(frozen=True, kw_only=True)
class _Building:
    """One run of `build`. Without a `sender`, nothing leaves this machine."""

    project: Project
    network: Network
    choice: Choice
    sender: Sender | None
    engine: Callable[[], Engine]

    def plan(self, targets: Sequence[Target]) -> Plan:
        from buildkit.plan.plan import Planner  # noqa: PLC0415 - a push needs nothing of it

        project = self.project
        rendered = check.rendered(project.lock, targets, project.templates)
        found = bases.find(targets, self.network, lambda image: self.engine().find(image))
        asked = self.sender if self.choice.until is Until.PUBLISHED else None
        planner = Planner(
            project=project,
            network=self.network,
            rules=self.choice.rules(project),
            registries=asked.publisher.registries if asked else (),
            absent=asked.publisher.absent if asked else {},
            releases=asked.releases if asked else (),
        )
        return planner.plan(rendered, found)

    def work(self, found: Plan) -> tuple[Outcome, ...]:
        """Build, test and send what is left of a plan."""
        docker, choice = self.engine(), self.choice
        split = found.split(docker.label)
        todo = split.todo
        rendered = [each for each in found.rendered if each.target.id in todo]
        with (
            nullcontext() if self.sender is None else self.sender.sending(docker) as sender,
            self._maker(rendered, found.bases, todo) as makes,
        ):
            self.project.records.begin(rendered)

            def work(target: Target, built: Built) -> Outcome:
                if target.id in todo:
                    built = found.noted(makes.named(built), makes.label(target))
                else:
                    docker.name(built.image_id, target.image)
                return self._send(self._test(built), sender)

            targets = [each.target for each in rendered]
            images = makes.images(targets) if targets else ()
            every = [*(target for target, _ in split.reused), *targets]
            worked = each(every, chain(split.reused, images), work, choice)
        served = [Outcome(target=each.target, already=each.found) for each in split.served]
        for outcome in served:
            _say(outcome)
        return (*served, *worked)

    @contextmanager
    def _maker(
        self, rendered: Sequence[Rendered], known: Bases, todo: Mapping[str, Decision]
    ) -> Iterator[Maker]:
        from buildkit.build.images import How, maker  # noqa: PLC0415 - only for a run that builds

        project, choice = self.project, self.choice
        how = How(
            jobs=choice.jobs,
            fail_fast=choice.fail_fast,
            no_cache=choice.no_cache,
            verbose=choice.verbose,
        )
        identities = {id_: each.identity.digest for id_, each in todo.items()}
        caches = self.sender.caches(each.target for each in rendered) if self.sender else {}
        with (
            bake_plan.planned(
                rendered, project.templates, self.network, project.lock, known.served
            ) as baked,
            maker(baked, self.engine(), how, identities, caches) as makes,
        ):
            yield makes

    def _test(self, built: Built) -> Outcome:
        from buildkit.verify import gate, verify  # noqa: PLC0415 - a push tests nothing

        records, retest = self.project.records, self.choice.retest or self.choice.force
        return gate.test(built, self.engine(), records, verify.SMOKE, retest=retest)

    def _send(self, tested: Outcome, sender: Sender | None) -> Outcome:
        if tested.verified is None or sender is None:
            return tested
        stage = self.choice.until is Until.STAGED
        return sender.stage(tested) if stage else sender.publish(tested)


def _in_order(targets: Sequence[Target], outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    by_id = {each.target.id: each for each in outcomes}
    return tuple(by_id[target.id] for target in targets if target.id in by_id)


@contextmanager
def baked(
    project: Project, targets: Sequence[Target], network: Network
) -> Iterator[bake_plan.Plan]:
    """The plan for bake of targets.

    Raises LockError if images.lock does not fit, TemplateError, or UsageError for a bad pip.conf.
    """
    rendered = check.rendered(project.lock, targets, project.templates)
    with bake_plan.planned(rendered, project.templates, network, project.lock) as plan:
        yield plan


def test(
    project: Project, targets: Sequence[Target], docker: Engine, depth: Depth, jobs: int | None
) -> tuple[Outcome, ...]:
    """Test the images that were built last, whether they have passed before or not."""
    from buildkit.verify import gate  # noqa: PLC0415 - as above

    def work(_target: Target, built: Built) -> Outcome:
        return gate.test(built, docker, project.records, depth, retest=True)

    return each(targets, _found(targets, project.built), work, Choice(jobs=jobs))


def push(project: Project, targets: Sequence[Target], choice: Choice) -> Run:
    """Publish images that have passed a test before, here or in the shards of a CI run.

    An image that is staged needs no engine. Raises ToolError if a registry does not answer.
    """
    from buildkit.publish import connect  # noqa: PLC0415 - boto3 takes long to load

    choice = replace(choice, jobs=choice.jobs or PUSHES)
    hosts = connect.hosts(project.config, choice.registries)
    tested = list(_found(targets, lambda target: _tested(project, target, hosts)))
    staged = all(isinstance(each, BuildkitError) or each.staged for _, each in tested)
    with (
        _sender(project, choice) as connected,
        nullcontext(connected) if staged else _sending(connected) as sender,
    ):
        if choice.complete:
            outcomes = each(targets, tested, lambda _, found: sender.stage(found), choice)
            if failed := tuple(outcome for outcome in outcomes if outcome.error is not None):
                console.say(
                    "nothing was tagged: not every image is ready to be published", fg="red"
                )
                return Run(outcomes=failed)
            tested = [(outcome.target, outcome) for outcome in outcomes]
        outcomes = each(targets, tested, lambda _, found: sender.publish(found), choice)
        return _alias_and_record(project, targets, outcomes, sender, choice)


@contextmanager
def _sending(sender: Sender) -> Iterator[Sender]:
    with _engine() as docker, sender.sending(docker) as found:
        yield found


def _tested(project: Project, target: Target, hosts: frozenset[str]) -> Outcome:
    """The image of a target that has passed; as it is staged, if all of `hosts` hold it so."""
    verified = project.verified(target)
    staged = project.staged(verified)
    whole = staged is not None and hosts <= {*staged.hosts}
    return earlier(verified, staged if whole else None)


@contextmanager
def _sender(project: Project, choice: Choice) -> Iterator[Sender]:
    from buildkit.publish import connect  # noqa: PLC0415 - boto3 takes long to load
    from buildkit.publish.sender import Sender  # noqa: PLC0415

    releases = recording.check(project)
    connect.say_which(project.config, choice.registries, choice.given_by)
    with connect.to(project.config, choice.registries, project.targets) as publisher:
        yield Sender(
            publisher=publisher,
            records=project.records,
            releases=releases,
            build_cache=project.config.registry.build_cache,
        )


def _alias_and_record(
    project: Project,
    targets: Sequence[Target],
    outcomes: tuple[Outcome, ...],
    sender: Sender | None,
    choice: Choice,
) -> Run:
    """After a publish: move the aliases, then write the ledger."""
    if sender is None or choice.until is not Until.PUBLISHED:
        return Run(outcomes=outcomes)
    published = [each.published for each in outcomes if each.published is not None]
    served = [each.served for each in outcomes if each.served is not None]
    moves = sender.move_aliases(targets, served, recording.known(project))
    registries = sender.publisher.registries
    try:
        recording.note(project, published, registries, moves.done, since=sender.since)
    except Exception as error:  # noqa: BLE001 - it is raised once the run has been reported
        return Run(outcomes=outcomes, moves=moves, unrecorded=error)
    return Run(outcomes=outcomes, moves=moves)


def _found(
    targets: Iterable[Target], find: Callable[[Target], Item]
) -> Iterator[tuple[Target, Item | BuildkitError]]:
    """What an earlier run has left of each target, or why that cannot be used."""
    for target in targets:
        try:
            yield target, find(target)
        except BuildkitError as error:
            yield target, error


def each(
    targets: Sequence[Target],
    items: Iterable[tuple[Target, Item | BuildkitError]],
    work: Callable[[Target, Item], Outcome],
    choice: Choice,
) -> tuple[Outcome, ...]:
    """Work on each item as it comes, and say how each ended; an item may be a failure already.

    The outcomes are in the order of `targets`. A target that was not begun has none.
    """

    def begin(target: Target, item: Item | BuildkitError) -> Outcome | Callable[[], Outcome]:
        if isinstance(item, BuildkitError):
            return Outcome(target=target, error=item)
        return partial(_guarded, work, target, item)

    def is_last(outcome: Outcome) -> bool:
        _say(outcome)
        return choice.fail_fast and outcome.error is not None

    jobs = choice.jobs or os.cpu_count() or 1
    ended = workers.run((begin(*each) for each in items), jobs=jobs, stop=is_last)
    return _in_order(targets, ended)


def _guarded(work: Callable[[Target, Item], Outcome], target: Target, item: Item) -> Outcome:
    try:
        return work(target, item)
    except BuildkitError as error:
        stopping.check()
        return Outcome(target=target, error=error)
    except Exception as error:
        stopping.check()  # what breaks when its connections are ended is no bug
        if os.environ.get("BUILDKIT_TRACEBACK"):
            raise
        return Outcome(target=target, error=bug(error))


def _say(outcome: Outcome) -> None:
    """One line for a target that has ended. The whole of an error comes at the end of the run."""
    failed, report = outcome.error is not None, outcome.report
    untried = "" if failed or report is None else verdict.untried(report)
    if said := outcome.line:
        colour = "red" if failed else "yellow" if untried else "green"
        console.step(outcome.target.id, f"{said}; {untried}" if untried else said, fg=colour)
