"""Run the suite on one image: stage the scenarios that its clauses need, judge, merge."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from buildkit.contract import clause
from buildkit.contract.bench import Bench, Scenario, Subject
from buildkit.contract.catalogue import clauses
from buildkit.contract.clause import Unseen
from buildkit.contract.suite import CHECKS
from buildkit.model import ClauseResult, Profile, Purpose, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from buildkit.contract.clause import Check
    from buildkit.contract.world import Engine

AT_ONCE = 4
"""Scenarios side by side: most of their time is waiting for the engine."""


def run(
    subject: Subject,
    engine: Engine,
    profile: Profile,
    only: Collection[str] = (),
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> tuple[ClauseResult, ...]:
    """Judge every clause of the profile, or `only` some, in the order of the contract.

    What the image does not promise, or is not for, is skipped with that reason. `progress` is told
    how many scenarios are done, of how many.
    """
    wanted = [
        each
        for each in CHECKS
        if (each.smoke or profile is Profile.FULL) and (not only or each.clause in only)
    ]
    excuses = {each: why for each in wanted if (why := excuse(each, subject))}
    results = [clause.result(each.clause, Status.SKIP, why) for each, why in excuses.items()]
    staged = _by_scenario(each for each in wanted if each not in excuses)
    with ExitStack() as kept:
        bench = Bench(subject=subject, engine=engine, kept=kept)
        together = [scenario for scenario in staged if not scenario.alone]
        alone = [scenario for scenario in staged if scenario.alone]
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            stagings = chain(
                pool.map(lambda each: _stage(bench, each, staged[each]), together),
                (_stage(bench, each, staged[each]) for each in alone),
            )
            for done, found in enumerate(stagings, start=1):
                results += found
                progress(done, len(staged))
    return tuple(
        clause.merged(found)
        for id_ in clauses()
        if (found := [each for each in results if each.id == id_])
    )


def excuse(check: Check[Any], subject: Subject) -> str:
    """Why a check does not apply to an image, empty if it does."""
    feature = clauses()[check.clause].feature
    if feature is not None and feature not in subject.features:
        return f"not promised: {feature.value}"
    purpose = check.scenario.purpose
    if purpose is Purpose.TRAINING and not subject.purpose.trains:
        return "the image is not for training"
    if purpose is Purpose.INFERENCE and not subject.purpose.serves:
        return "the image is not for inference"
    return ""


def _by_scenario(checks: Iterable[Check[Any]]) -> Mapping[Scenario[Any], list[Check[Any]]]:
    found: dict[Scenario[Any], list[Check[Any]]] = {}
    for each in checks:
        found.setdefault(each.scenario, []).append(each)
    return found


def _stage(
    bench: Bench, scenario: Scenario[Any], checks: Iterable[Check[Any]]
) -> list[ClauseResult]:
    """All checks of one scenario, one after the other: some change what they look at.

    The first one's time holds that of the staging.
    """
    checks = list(checks)
    began = time.monotonic()
    try:
        with scenario.stage(bench) as observed:
            staged = time.monotonic() - began
            first, *rest = [clause.run(each, observed) for each in checks]
            return [replace(first, seconds=round(first.seconds + staged, 3)), *rest]
    except Unseen as error:
        return [clause.result(each.clause, Status.SKIP, str(error)) for each in checks]
