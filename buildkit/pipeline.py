"""The order of the stages after rendering, for many targets at once: build, test, publish."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from buildkit import records
from buildkit.contract import verdict
from buildkit.model.image import Status
from buildkit.support.errors import BuildkitError, Exit, bug
from buildkit.system import console, stopping
from buildkit.system.progress import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from buildkit.contract.engine import Engine
    from buildkit.model.image import Built, Published, Report, Staged, Verified
    from buildkit.model.target import Target
    from buildkit.verify.verify import Depth

Item = TypeVar("Item")
CAUSE_WIDTH = 100
WORDS = {
    "failed": "failed",
    "unjudged": "not judged",
    "published": "published",
    "staged": "staged",
    "tested": "passed",
}
"""How people are told of each status."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How far one target came. `error` is None if it came as far as was asked."""

    target: Target
    built: Built | None = None
    report: Report | None = None
    staged: Staged | None = None
    published: Published | None = None
    tested_before: bool = False
    error: BuildkitError | None = None

    @property
    def status(self) -> str:
        """How it ended, in a word: `failed`, `unjudged`, `published`, `staged` or `tested`."""
        if self.error is not None:
            return "unjudged" if self.error.code is Exit.UNJUDGED else "failed"
        if self.published is not None:
            return "published"
        return "staged" if self.staged is not None else "tested"


@dataclass(frozen=True, kw_only=True)
class Crew:
    """How targets are worked on: how many at once, whether the first failure ends the run."""

    jobs: int | None = None
    fail_fast: bool = False


def run(
    targets: Sequence[Target],
    items: Iterable[tuple[Target, Item | BuildkitError]],
    work: Callable[[Target, Item], Outcome],
    crew: Crew,
) -> tuple[Outcome, ...]:
    """Do `work` on each item as it comes; an item may already be a failure.

    The outcomes are in the order of `targets`. A target that was not begun has none.
    """
    outcomes: dict[str, Outcome] = {}

    def note(outcome: Outcome) -> bool:
        outcomes[outcome.target.id] = outcome
        _tell(outcome)
        return outcome.error is not None and crew.fail_fast

    with ThreadPoolExecutor(max_workers=crew.jobs or os.cpu_count()) as pool:
        running: list[Future[Outcome]] = []
        try:
            for target, item in items:
                if not isinstance(item, BuildkitError):
                    running.append(pool.submit(_guarded, work, target, item))
                elif note(Outcome(target=target, error=item)):
                    break
                if crew.fail_fast and any(_has_failed(future) for future in running):
                    break
            for future in as_completed(running):
                if not future.cancelled() and note(future.result()):
                    _cancel(running)
        except BaseException:
            _cancel(running)
            raise
    return tuple(outcomes[target.id] for target in targets if target.id in outcomes)


def published(outcomes: Iterable[Outcome]) -> tuple[Published, ...]:
    """What is in the registries now, sent by this run or before."""
    return tuple(each.published for each in outcomes if each.published is not None)


def progress(subject: str) -> Callable[[int, int, str], None]:
    """A function that prints how far a test has come."""
    pace = Pace()

    def tell(done: int, of: int, at_work: str) -> None:
        if pace.due():
            now = f", at work: {at_work}" if at_work else ""
            console.step(subject, f"testing: {done} of {of} scenarios{now}", dim=True)

    return tell


def each(
    targets: Iterable[Target], find: Callable[[Target], Item]
) -> Iterator[tuple[Target, Item | BuildkitError]]:
    """What a former run left of each target, or why that cannot be used."""
    for target in targets:
        try:
            yield target, find(target)
        except BuildkitError as error:
            yield target, error


def _has_failed(future: Future[Outcome]) -> bool:
    return future.done() and not future.cancelled() and future.result().error is not None


def _cancel(futures: Iterable[Future[Outcome]]) -> None:
    """Not by the pool's shutdown: nobody would tell those who wait for these futures."""
    for future in futures:
        future.cancel()


def test(
    built: Built,
    engine: Engine,
    where: records.Records,
    depth: Depth,
    *,
    retest: bool,
) -> tuple[Outcome, Verified | None]:
    """Test an image, unless this very image passed this very suite before."""
    from buildkit.verify import verify  # noqa: PLC0415 - the contract: who only pushes needs none of it

    target = built.target
    where.write(records.BUILT, target.id, built)
    before = None if retest else _tested_before(target.id, where)
    if before is not None and verify.still_holds(before, built):
        found = Outcome(target=target, built=built, report=before.report, tested_before=True)
        return found, replace(before, built=built)
    console.step(target.id, "testing")
    where.forget(records.VERIFIED, target.id)
    keep = where.of(target.id, records.KEPT)
    report, passed = verify.verify(built, engine, depth, progress(target.id), keep=keep)
    where.write(records.REPORT, target.id, report)
    outcome = Outcome(target=target, built=built, report=report)
    if not report.passed:
        return replace(outcome, error=verify.refusal(report)), None
    if passed is not None:
        where.write(records.VERIFIED, target.id, passed)
    if (left_open := verify.unjudged(target, report, depth)) is not None:
        return replace(outcome, error=left_open), None
    return outcome, passed


def publish(
    outcome: Outcome, publisher: Callable[[], Published], where: records.Records
) -> Outcome:
    """Publish an image after `outcome`, which a failure is added to."""
    try:
        published = publisher()
        where.write(records.PUBLISHED, outcome.target.id, published)
    except BuildkitError as error:
        return replace(outcome, error=error)
    return replace(outcome, published=published)


def stage(outcome: Outcome, stager: Callable[[], Staged], where: records.Records) -> Outcome:
    """The same for an image that gets no tag yet."""
    try:
        staged = stager()
        where.write(records.STAGED, outcome.target.id, staged)
    except BuildkitError as error:
        return replace(outcome, error=error)
    return replace(outcome, staged=staged)


def _tested_before(target_id: str, where: records.Records) -> Verified | None:
    """A record that cannot be read costs a test, no more."""
    try:
        return where.find(records.VERIFIED, target_id)
    except BuildkitError as error:
        console.step(target_id, f"will be tested again: {error.message}", fg="yellow")
        return None


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


def _where(published: Published) -> str:
    """Each registry by what is true of it: sent there by this run, or found there."""
    found = {
        how: [each.uri for each in published.locations if each.pushed is pushed]
        for how, pushed in (("published", True), ("published already", False))
    }
    return "; ".join(f"{how}: {', '.join(uris)}" for how, uris in found.items() if uris)


def _tell(outcome: Outcome) -> None:
    if outcome.error is not None:
        # The whole of it comes at the end, where it is not lost among the others.
        cause = outcome.error.message.partition("\n")[0][:CAUSE_WIDTH]
        console.step(outcome.target.id, f"{WORDS[outcome.status]}: {cause}", fg="red")
    elif told := _how_far(outcome):
        untried = "" if outcome.report is None else verdict.untried(outcome.report)
        more = f"; {untried}" if untried else ""
        console.step(outcome.target.id, told + more, fg="yellow" if untried else "green")


def _how_far(outcome: Outcome) -> str:
    """What is true of the image of a target now; nothing if it was only rendered."""
    if outcome.published is not None:
        return _where(outcome.published)
    if outcome.staged is not None:
        return f"staged in {', '.join(outcome.staged.hosts)}: {outcome.staged.digest}"
    if outcome.report is None:
        return ""
    how = "passed before" if outcome.tested_before else "passed"
    judged = sum(1 for each in outcome.report.clauses if each.status is not Status.SKIP)
    return f"{how} {judged} clauses"
