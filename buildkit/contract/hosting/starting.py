"""Containers of `serve`, started with some model and under some conditions."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract import listening, machine
from buildkit.contract.archive import Archive
from buildkit.contract.checks import hindered
from buildkit.contract.engine import Mount, Start
from buildkit.contract.hosting.client import Health, HttpClient
from buildkit.contract.hosting.server import Serving
from buildkit.contract.jobs import endings, training_job, training_runs
from buildkit.contract.scenario import Bench, Scenario, scenario
from buildkit.contract.signs import Sign
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkit.contract.engine import Container
    from buildkit.contract.jobs.endings import Ending
    from buildkit.model.target import Payload

PORT = 8080
START_SECONDS = 240
"""`/ping` must answer 200 within this time: the stricter of AWS's figures (SERVE-03)."""
MODELLESS_SECONDS = 10
"""The same where no samples are declared: most servers need a model, and a long wait would only
show that nothing can be judged."""
STOP_SECONDS = 30
"""From SIGTERM to SIGKILL of a server (RUN-09)."""
MODEL = f"{training_job.ROOT}/model"
SERVE = Start(command=("serve",), ports=(PORT,))


def model(bench: Bench) -> str | None:
    """The volume with the model to serve, None if none is declared. Raises Unseen."""
    samples = bench.subject.samples
    if bench.subject.purpose.trains and (samples.channels or samples.model is None):
        if training_runs.trained(bench).good or samples.channels:
            return training_runs.trained_model(bench)
        return None
    return None if samples.model is None else bench.once(_declared_model)


def has_model(bench: Bench) -> bool:
    """Whether there is a model to serve, or declared samples without one."""
    return bench.subject.samples.declared or model(bench) is not None


def _declared_model(bench: Bench) -> str:
    archive = Archive()
    archive.tree("model", Path(bench.subject.samples.model or ""))
    return training_runs.filled(bench, MODEL, archive.chunks())


def empty_model(bench: Bench) -> str:
    return bench.keep(bench.engine.volume())


@contextmanager
def served(
    bench: Bench,
    *,
    start: Start = SERVE,
    choose: Callable[[Bench], str | None] = model,
    writable: bool = False,
    seconds: float | None = None,
    door: Container | None = None,
    plain: bool = False,
) -> Iterator[Serving]:
    """A server with the chosen model, read-only as in SageMaker (SERVE-17), once it is healthy.

    `seconds` is how long it may take on an idle machine, by default what the samples declare.
    `plain`: it gets all payloads; any other only those that a plain one answers with 200.
    """
    volume = choose(bench)
    modelless = choose is model and volume is None
    brief = modelless and not bench.subject.samples.declared and seconds is None
    mount = Mount(volume=volume or empty_model(bench), path=MODEL, read_only=not writable)
    start = replace(start, mounts=(mount, *start.mounts))
    with started(bench, start, seconds=seconds, door=door, brief=brief) as serving:
        payloads: tuple[Payload, ...] = ()
        if plain:
            payloads = _plain_payloads(bench, serving)
        elif serving.health.after is not None:
            payloads = bench.once(_baseline).payloads
        yield replace(serving, modelless=modelless, payloads=payloads)


def _plain_payloads(bench: Bench, serving: Serving) -> tuple[Payload, ...]:
    """The declared payloads. A server need not accept the suite's own."""
    samples = bench.subject.samples
    if not samples.default:
        return samples.payloads
    healthy = serving.health.after is not None
    return tuple(each for each in samples.payloads if healthy and serving.takes(each))


@contextmanager
def started(
    bench: Bench,
    start: Start,
    *,
    seconds: float | None = None,
    door: Container | None = None,
    brief: bool = False,
) -> Iterator[Serving]:
    """A server without a model, unless `start` mounts one.

    It has the variables of the samples, as the model's Environment in SageMaker. `door` is the
    container whose address it is reached at, if it shares that one's network. `brief`: wait for
    MODELLESS_SECONDS only, unless the server takes requests and works on them.
    """
    samples = bench.subject.samples
    start = replace(start, environment={**dict(samples.environment), **start.environment})
    with bench.engine.container(bench.subject.image, start) as container:
        refusal = machine.refused(bench, container)
        host, port = "", 0
        if refusal is None:
            host, port = (door or container).address(start.ports[0])
        here = machine.of(bench)
        serving = Serving(
            container=container,
            machine=here,
            client=HttpClient(host=host, port=port, limit=partial(here.limit, container)),
            refusal=refusal,
            health=Health(after=None, last=None),
            exit_code=None,
            payloads=() if samples.default else samples.payloads,
            brief=brief,
        )
        if refusal is None:
            serving = _waited_for(bench, serving, start.ports[0], seconds)
        yield serving


def _waited_for(bench: Bench, serving: Serving, port: int, seconds: float | None) -> Serving:
    """The same server once it is healthy, has ended, or its time is over."""
    container, brief = serving.container, serving.brief
    declared = bench.subject.samples.startup_seconds
    patience = declared or listening.SETTLED_SECONDS
    elsewhere = listening.settled_elsewhere(container, port, patience)
    wait = partial(
        serving.client.wait_for_health,
        still_runs=lambda: container.wait(0) is None and not elsewhere(),
        say=bench.note,
    )
    limit = declared or START_SECONDS
    if brief:
        health, brief = without_model(wait, limit)
    else:
        health = wait(limit if seconds is None else seconds)
    bench.note("")
    return replace(serving, health=health, exit_code=container.wait(0), brief=brief)


def without_model(wait: Callable[[float], Health], limit: float) -> tuple[Health, bool]:
    """The health of a server without a model and samples, and whether the wait was short.

    A server that accepts requests and works on them is loading something: it gets the full time.
    """
    health = wait(MODELLESS_SECONDS)
    if health.listens:
        return wait(limit), False
    return health, health.after is None


def healthy(bench: Bench) -> float:
    """Seconds until the server on the samples was healthy. Raises Unseen if it never was.

    A variant of a server that is not healthy in the first place proves nothing.
    """
    seconds = bench.once(_baseline).seconds
    if seconds is None:
        reason = "`serve` on the samples is not healthy, so there is nothing to compare with"
        raise hindered(reason, Sign.UNHEALTHY)
    return seconds


@dataclass(frozen=True, kw_only=True)
class _Baseline:
    """A plain server: seconds until it was healthy, and the payloads that it answers with 200."""

    seconds: float | None
    payloads: tuple[Payload, ...]


def _baseline(bench: Bench) -> _Baseline:
    with served(bench, plain=True) as serving:
        healthy = serving.health.after is not None
        payloads = serving.answered() if healthy else ()
        return _Baseline(seconds=serving.health.after, payloads=payloads)


def of(
    title: str,
    *,
    start: Start = SERVE,
    choose: Callable[[Bench], str | None] = model,
    alone: bool = False,
    seconds: float | None = None,
    needs_health: bool = True,
) -> Scenario[Serving]:
    """A scenario of one server."""

    @scenario(title, Purpose.INFERENCE, alone=alone)
    def stage(bench: Bench) -> Iterator[Serving]:
        if needs_health:
            healthy(bench)
        with served(
            bench, start=start, choose=choose, seconds=seconds, plain=not needs_health
        ) as serving:
            yield serving

    return stage


def stopped(serving: Serving) -> Ending:
    """Send SIGTERM, and SIGKILL when the time to stop is over."""
    name = serving.container.stop_signal
    return endings.signal(serving.machine, serving.container, STOP_SECONDS, name=name)
