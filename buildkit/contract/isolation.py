"""The clause of network isolation: training and serving work without any network.

Every container of the suite is isolated, so an image that needs a network fails everywhere. The
checks here ask whether a network would have helped: after a failure, `train` or `serve` runs once
with one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from buildkit.contract import machine
from buildkit.contract.checks import Broken, Unsampled, Unseen, check
from buildkit.contract.hosting import starting
from buildkit.contract.hosting.client import OK
from buildkit.contract.hosting.server import fits
from buildkit.contract.jobs import endings, training_job, training_runs
from buildkit.contract.logs import last_lines
from buildkit.contract.scenario import observation
from buildkit.contract.signs import Sign
from buildkit.model.features import Feature
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from buildkit.contract.hosting.server import Serving
    from buildkit.contract.jobs.endings import Then
    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.scenario import Bench
    from buildkit.model.target import Payload

SLOWER_SECONDS = 30
"""A program that waits for an unreachable address loses at least this time."""


Work = TypeVar("Work")


@dataclass(frozen=True)
class Isolated(Generic[Work]):
    """A run or a server without a network, and one with a network, None if the first succeeded.

    `allowed` are the seconds of an idle machine that the first may take.
    """

    alone: Work
    online: Work | None = None
    allowed: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Fared:
    """How a server did: when it was healthy, the evidence, and what is wrong by payload.

    `processor_seconds` is the time used until it was healthy, None if unknown.
    """

    after: float | None
    evidence: str
    processor_seconds: float | None = None
    wrong: tuple[tuple[str, Broken | None], ...] = ()

    @property
    def good(self) -> bool:
        return self.after is not None and not any(problem for _, problem in self.wrong)


def limit(seconds: float) -> float:
    """How long a run may take without a network if it took `seconds` with one, on an idle machine.

    A busy machine would raise the limit for a run that takes long only because of it.
    """
    return seconds + max(SLOWER_SECONDS, seconds)


def _closed(bench: Bench) -> Bench:
    return replace(bench, engine=bench.engine.connected(outside=False))


def _open(bench: Bench) -> Bench:
    """Raises Unseen if only a label promises the feature: no image gets itself a network."""
    if Feature.ISOLATION in bench.subject.labelled:
        raise Unseen(
            "without a network the image fails or is slow; a run with a network is only compared "
            "if `--feature isolation` or images.toml promises the feature, not only a label"
        )
    return replace(bench, engine=bench.engine.connected(outside=True))


@observation(
    "`train` without a network and AWS_* variables, and with a network after a failure",
    Purpose.TRAINING,
)
def trained(bench: Bench) -> Isolated[Run]:
    run = _train(bench, limit(0))
    if run.good and run.below("model"):
        return Isolated(run)
    work = training_job.of(bench.subject.samples)
    online, slowdown = machine.of(bench).measured(
        partial(training_runs.train, _open(bench), work, then=endings.metered)
    )
    if not online.good:
        raise Unseen("`train` on the samples also fails with a network")
    used = online.processor_seconds or None
    allowed = limit(machine.at_rest(online.seconds, used, slowdown))
    if run.exit_code is None and run.refusal is None:
        run = _train(bench, allowed)
    return Isolated(run, online, allowed)


def _train(bench: Bench, seconds: float) -> Run:
    work = training_job.of(bench.subject.samples)
    known = {name: value for name, value in work.environment.items() if name[:4] != "AWS_"}
    then: Then = endings.within(seconds)
    return training_runs.train(_closed(bench), replace(work, environment=known), then=then)


@observation(
    "`serve` without a network and AWS_* variables, and with a network after a failure",
    Purpose.INFERENCE,
)
def served(bench: Bench) -> Isolated[Fared]:
    starting.model(bench)  # made as in other scenarios, before the network changes
    found = _serve(_closed(bench), limit(0))
    if found.good:
        return Isolated(found)
    online, slowdown = machine.of(bench).measured(partial(_serve, _open(bench), None))
    if online.after is None:
        raise Unseen("`serve` on the samples is not healthy with a network either")
    allowed = limit(machine.at_rest(online.after, online.processor_seconds, slowdown))
    if found.after is None:
        found = _serve(_closed(bench), allowed)
    return Isolated(found, online, allowed)


def _serve(bench: Bench, seconds: float | None) -> Fared:
    with starting.served(bench, seconds=seconds, plain=True) as serving:
        if serving.health.after is None:
            return Fared(after=None, evidence=serving.evidence)
        used = serving.container.processor_seconds()
        wrong = tuple((each.content_type, _wrong(serving, each)) for each in serving.payloads)
        return Fared(
            after=serving.health.after,
            evidence=serving.evidence,
            processor_seconds=used,
            wrong=wrong,
        )


def _wrong(serving: Serving, payload: Payload) -> Broken | None:
    """What is wrong with the answer to a sample."""
    try:
        answer = serving.invoke(payload)
    except Broken as error:
        return Broken(f"{error}{last_lines(serving.log)}")
    if answer.status == OK and fits(answer, payload):
        return None
    evidence = f"POST /invocations answered {answer.shown()}{last_lines(serving.log)}"
    return Broken(evidence, *([Sign.WRONG_ANSWER] if answer.status == OK else []))


@check("ISO-01", trained, gap="`train` without a network was not judged")
def trains_alone(found: Isolated[Run]) -> None:
    """`train` ends with 0, leaves a model if it does online, and takes at most 30 s longer."""
    run, online = found.alone, found.online
    if online is None:
        return
    if run.exit_code is None and run.refusal is None and not run.ended_by:
        raise Broken(
            f"without a network `train` takes more than {run.seconds:.0f} s instead of "
            f"{online.seconds:.0f}: it waits for the network{last_lines(run.log)}"
        )
    if not run.good:
        raise Broken(f"without a network `train` {run.evidence}")
    if online.below("model") and not run.below("model"):
        raise Broken(f"without a network `train` leaves no model{last_lines(run.log)}")


@check("ISO-01", served, gap="no prediction without a network was judged")
def serves_alone(found: Isolated[Fared]) -> None:
    """`serve` is healthy at most 30 s later than online, and answers each sample correctly."""
    served, online = found.alone, found.online
    if served.after is None and online is not None and online.after is not None:
        raise Broken(
            f"without a network `serve` is not healthy within {found.allowed:.0f} s instead "
            f"of {online.after:.0f}: {served.evidence}"
        )
    for (content_type, problem), (_, before) in zip(
        served.wrong, online.wrong if online else served.wrong, strict=True
    ):
        if problem and not before:
            evidence = f"without a network, with a sample of {content_type}: {problem}"
            raise Broken(evidence, *problem.signs)
    if not served.wrong:
        raise Unsampled("`serve` is healthy without a network, but no payload is declared")
