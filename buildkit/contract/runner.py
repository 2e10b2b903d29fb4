"""Run the suite on one image: stage the scenarios that its clauses need, judge, merge."""

from __future__ import annotations

import re
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from buildkit.contract import causes, checks, defaults, suite
from buildkit.contract import kept as kept_files
from buildkit.contract.checks import Broken, NotFor, NotPromised, Unseen
from buildkit.contract.clauses import clauses
from buildkit.contract.engine import Blocked, Unfit
from buildkit.contract.scenario import Bench, Scenario, Subject
from buildkit.contract.signs import Sign
from buildkit.model.target import Profile, Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from buildkit.contract.checks import Check, Finding, Judged
    from buildkit.contract.engine import Engine
    from buildkit.model.image import ClauseResult

    Progress = Callable[[int, int, str], None]

AT_ONCE = 4
"""Scenarios in parallel: they spend most of their time waiting for the engine."""
STARTS = ("RUN-01", "RUN-02", "PROC-01")
"""The clauses that an image breaks if it cannot be laid out as SageMaker does."""
NO_ROOM = re.compile("mkdir|not a directory", re.IGNORECASE)
"""Why an engine cannot create a container: a file is where it needs a folder."""
PROGRESS_PAUSE = 1
"""Seconds between two progress reports."""


def run(
    subject: Subject,
    engine: Engine,
    profile: Profile,
    only: Collection[str] = (),
    progress: Progress = lambda _done, _of, _at_work: None,
    *,
    keep: Path | None = None,
) -> tuple[ClauseResult, ...]:
    """Judge every clause of the profile, or `only` some, in the order of the contract.

    A clause that does not apply to the image is skipped. `progress` gets the number of scenarios
    that are done, the number of all, and the title of one that is running. `keep` is the folder
    for what the run on the samples leaves.
    """
    wanted = _wanted(profile, only)
    excuses = {each: why for each in wanted if (why := excuse(each, subject))}
    results = [checks.judged(each.clause, why) for each, why in excuses.items()]
    results += _unchecked(only)
    staged = _by_scenario(each for each in wanted if each not in excuses)
    connected = engine.connected(outside=subject.network)
    if profile is Profile.FULL and any(each.purpose is not None for each in staged):
        progress(0, len(staged), "`train` on samples of the suite's own")
        subject = defaults.lent(subject, connected)
    with ExitStack() as kept:
        bench = Bench(subject=subject, engine=connected, kept=kept)
        for found in _stagings(bench, staged, progress):
            results += found
        if keep is not None:
            with suppress(OSError, Unfit):  # no verdict depends on it
                kept_files.write(bench, keep)
    return tuple(each.result for each in causes.named(_merged(results)))


def _wanted(profile: Profile, only: Collection[str]) -> list[Check[Any]]:
    return [
        each
        for each in suite.checks()
        if (each.smoke or profile is Profile.FULL) and (not only or each.clause in only)
    ]


def _unchecked(only: Iterable[str]) -> Iterator[Judged]:
    """The clauses that a user asks for, and that no check judges."""
    for id_ in only:
        if why := clauses()[id_].unchecked:
            yield checks.judged(id_, Unseen("this clause cannot be checked", f": {why}"))


def _merged(results: Sequence[Judged]) -> Iterator[Judged]:
    """One result for each clause, in the order of the contract."""
    for id_ in clauses():
        if found := [each for each in results if each.clause == id_]:
            yield checks.merged(found)


def excuse(check: Check[Any], subject: Subject) -> Unseen | None:
    """Why a check does not apply to an image, None if it does."""
    feature = clauses()[check.clause].feature
    if feature is not None and feature not in subject.features:
        return NotPromised(feature)
    purpose = check.scenario.purpose
    if purpose is Purpose.TRAINING and not subject.purpose.trains:
        return NotFor(purpose)
    if purpose is Purpose.INFERENCE and not subject.purpose.serves:
        return NotFor(purpose)
    return None


def _by_scenario(wanted: Iterable[Check[Any]]) -> Mapping[Scenario[Any], list[Check[Any]]]:
    found: dict[Scenario[Any], list[Check[Any]]] = {}
    for each in wanted:
        found.setdefault(each.scenario, []).append(each)
    return found


def _stagings(
    bench: Bench, staged: Mapping[Scenario[Any], list[Check[Any]]], progress: Progress
) -> Iterator[list[Judged]]:
    """Stage all scenarios, some in parallel. Reports `progress` every second and at each end."""
    batches = [[each for each in staged if not each.alone]]
    batches += [[each] for each in staged if each.alone]
    done = 0
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        for batch in batches:
            work = {pool.submit(_stage, bench, each, staged[each]): each for each in batch}
            try:
                while work:
                    ended, _ = wait(work, timeout=PROGRESS_PAUSE, return_when=FIRST_COMPLETED)
                    for each in ended:
                        del work[each]
                        done += 1
                        yield each.result()
                    titles = (bench.at_work(work[each]) for each in work if each.running())
                    progress(done, len(staged), next(titles, ""))
            finally:
                for each in work:
                    each.cancel()  # after an interruption or an error, start no more


def _stage(bench: Bench, scenario: Scenario[Any], wanted: Iterable[Check[Any]]) -> list[Judged]:
    """Run all checks of one scenario, one after the other: some change what they observe.

    The time of the first one includes the staging.
    """
    wanted = list(wanted)
    began = time.monotonic()
    bench.begin(scenario)
    try:
        with scenario.stage(bench) as observed:
            staged = time.monotonic() - began
            first, *rest = [checks.run(each, observed) for each in wanted]
            return [replace(first, seconds=first.seconds + staged), *rest]
    except Unseen as error:
        return [checks.of(each, error) for each in wanted]
    except Unfit as error:
        return [checks.of(each, _unfit(error, each)) for each in wanted]


def _unfit(error: Unfit, check: Check[Any]) -> Finding:
    """What a check comes to if no container can be laid out: only the first clauses report that."""
    reason, detail = "the engine cannot lay out the container", f": {error}"
    if check.clause not in STARTS:
        return Unseen(reason, detail)
    signs = [Sign.BLOCKED] if isinstance(error, Blocked) else []
    if not signs and NO_ROOM.search(str(error)):
        signs = [Sign.NO_ROOM]
    return Broken(f"{reason}{detail}", Sign.UNFIT, *signs)
