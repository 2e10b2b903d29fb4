"""Clauses of network isolation: all works as ever where nothing outside can be reached."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract.answers import same
from buildkit.contract.bench import Scenario
from buildkit.contract.clause import Broken, Unseen, check, last_lines
from buildkit.contract.hosting import servers
from buildkit.contract.hosting.client import OK
from buildkit.contract.jobs import endings, job, runs
from buildkit.model import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.contract.bench import Bench
    from buildkit.contract.hosting.server import Serving
    from buildkit.contract.jobs.endings import Then
    from buildkit.contract.jobs.runs import Run

SLOWER_SECONDS = 30
"""A program that waits for something it cannot reach loses at least so much."""


@dataclass(frozen=True, kw_only=True)
class Isolated:
    """A run without a network, the second one if the first was slow; and the one with."""

    run: Run
    online: Run


def limit(seconds: float) -> float:
    """How long something may take without a network that took `seconds` with one."""
    return seconds + max(SLOWER_SECONDS, seconds)


@contextmanager
def _trained(bench: Bench) -> Iterator[Isolated]:
    online = runs.needs_good(bench)
    run = _train(bench)
    if run.good and run.seconds > limit(online.seconds):  # again, with that as its limit
        run = _train(bench, then=endings.within(limit(online.seconds)))
    yield Isolated(run=run, online=online)


def _train(bench: Bench, then: Then | None = None) -> Run:
    work = job.of(bench.subject.samples)
    known = {name: value for name, value in work.environment.items() if name[:4] != "AWS_"}
    with bench.engine.network(isolated=True) as network:
        start = replace(runs.TRAIN, networks=((network, (work.host,)),))
        return runs.train(bench, replace(work, environment=known), start=start, then=then)


@contextmanager
def _served(bench: Bench) -> Iterator[tuple[Serving, float]]:
    online = servers.healthy(bench)
    with bench.engine.network(isolated=True) as network:
        start = replace(servers.SERVE, networks=((network, ()),))
        with servers.served(bench, start=start, inside=True, seconds=limit(online)) as serving:
            yield serving, online


TRAINED = Scenario(
    title="`train` without a network and AWS_* variables", stage=_trained, purpose=Purpose.TRAINING
)
SERVED = Scenario(
    title="`serve` without a network and AWS_* variables", stage=_served, purpose=Purpose.INFERENCE
)


@check("ISO-01", TRAINED)
def trains_alone(found: Isolated) -> None:
    """It ends with 0, leaves a model if it does so online, and needs at most 30 s more."""
    run, online = found.run, found.online
    if run.exit_code is None and run.refusal is None and not run.ended_by:
        raise Broken(
            f"without a network `train` needs more than {run.seconds:.0f} s instead of "
            f"{online.seconds:.0f}: it waits for what it cannot reach{last_lines(run.log)}"
        )
    if not run.good:
        raise Broken(f"without a network `train` {run.told}")
    if online.below("model") and not run.below("model"):
        raise Broken(f"without a network `train` leaves no model{last_lines(run.log)}")


@check("ISO-01", SERVED)
def serves_alone(found: tuple[Serving, float]) -> None:
    """It is healthy at most 30 s later than online, and answers each sample with what it should."""
    serving, online = found
    if serving.health.after is None:
        raise Broken(
            f"without a network `serve` is not healthy within {limit(online):.0f} s instead of "
            f"{online:.0f}: {serving.told}"
        )
    for payload in serving.payloads:
        answer = serving.invoke(payload)
        wanted = None if payload.answer is None else Path(payload.answer).read_bytes()
        right = wanted is None or same(answer.content_type, answer.body, wanted)
        if answer.status != OK or not right:
            raise Broken(
                f"without a network POST /invocations ({payload.content_type}) answered "
                f"{answer.shown()}{last_lines(serving.log)}"
            )
    if not serving.payloads:
        raise Unseen("it is healthy without a network, but there is no payload to send")


CHECKS = (trains_alone, serves_alone)
