"""Clauses of serverless endpoints: little memory, one processor, no root, no /dev/shm."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful, check, hindered
from buildkit.contract.hosting import starting
from buildkit.contract.hosting.reference_server import fault, tried
from buildkit.contract.hosting.starting import SERVE
from buildkit.contract.scenario import Scenario, observation, scenario
from buildkit.contract.signs import Sign
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.contract.engine import Start
    from buildkit.contract.hosting.server import Serving
    from buildkit.contract.scenario import Bench

GIB = 1024**3
LARGEST_IMAGE = 10 * GIB
MEMORY = GIB
"""The smallest that a serverless endpoint offers."""
START_SECONDS = 180
"""How long a serverless endpoint may take to be ready (SLS-04)."""
LATE_SECONDS = START_SECONDS
"""Extra time: one processor of this machine may be slower than SageMaker's."""
ONE_PROCESSOR = replace(SERVE, memory=MEMORY, cpus=1)
ONE_WORKER = replace(SERVE, cpus=1, environment={"SAGEMAKER_MODEL_SERVER_WORKERS": "1"})
NO_ROOT = replace(SERVE, user="65534:65534", read_only=True, scratch=("/tmp",))  # noqa: S108
NO_SHARED_MEMORY = replace(SERVE, shared_memory=False)
MANY = 3
"""Processes with one command line: a master and two workers, or three workers."""
FRONTS = ("nginx", "haproxy", "envoy")
"""Programs whose processes hold no model."""


@dataclass(frozen=True, kw_only=True)
class Small:
    """A server on one processor, and how quickly it was healthy without that limit.

    `late`: it was not healthy in time, and got extra time.
    """

    serving: Serving
    plain_seconds: float
    size: int
    late: bool = False


@scenario("`serve` with 1 GB of memory on one processor", Purpose.INFERENCE)
def on_one_processor(bench: Bench) -> Iterator[Small]:
    plain_seconds = starting.healthy(bench)
    with starting.served(bench, start=ONE_PROCESSOR, seconds=START_SECONDS) as serving:
        size = bench.engine.view(bench.subject.image).size
        small = Small(serving=serving, plain_seconds=plain_seconds, size=size)
        yield _waited_for(small) if serving.runs and serving.health.after is None else small


def _waited_for(small: Small) -> Small:
    """Wait for the same time again, to see how late the server is."""
    serving, container = small.serving, small.serving.container
    health = serving.client.wait_for_health(LATE_SECONDS, lambda: container.wait(0) is None)
    serving = replace(serving, health=health, exit_code=container.wait(0))
    return replace(small, serving=serving, late=True)


def _tried(title: str, start: Start) -> Scenario[str]:
    @observation(f"`serve` {title}", Purpose.INFERENCE)
    def seen(bench: Bench) -> str:
        return tried(bench, lambda seconds: starting.served(bench, start=start, seconds=seconds))

    return seen


SINGLE = starting.of("`serve` with SAGEMAKER_MODEL_SERVER_WORKERS=1", start=ONE_WORKER)
POWERLESS = _tried("as user 65534 on a read-only file system", NO_ROOT)
UNSHARED = _tried("without /dev/shm", NO_SHARED_MEMORY)


@check("SLS-01", on_one_processor)
def works_in_little(small: Small) -> None:
    """The server is healthy and answers each sample; the image has at most 10 GB."""
    if small.size > LARGEST_IMAGE:
        raise Broken(f"the image has {small.size / GIB:.1f} GB, the limit is 10 GB")
    _works(small.serving, "with 1 GB of memory on one processor")


@check("SLS-04", on_one_processor)
def starts_in_time(small: Small) -> None:
    """GET /ping answers 200 within 180 s on one processor; compared with all processors."""
    after = small.serving.health.after
    if not small.late:
        if after is None:
            raise hindered("the server ended by itself (SLS-01)", Sign.UNHEALTHY)
        return
    if after is None:
        if small.serving.exit_code is not None:
            raise hindered("the server ended by itself (SLS-01)", Sign.UNHEALTHY)
        waited = START_SECONDS + LATE_SECONDS
        evidence = f"the server is not healthy in {waited} s: {small.serving.evidence}"
        raise Broken(evidence, Sign.UNHEALTHY)
    took = START_SECONDS + after
    evidence = f"the server is healthy after {took:.0f} s; the limit is {START_SECONDS} s"
    if small.plain_seconds > START_SECONDS:
        raise Broken(f"{evidence}; with all processors {small.plain_seconds:.0f} s")
    raise Doubtful(f"{evidence}, and this machine may be slower than SageMaker's")


@check("SLS-02", SINGLE)
def one_worker(serving: Serving) -> None:
    """With SAGEMAKER_MODEL_SERVER_WORKERS=1 no three processes have the same command line."""
    _works(serving, "with SAGEMAKER_MODEL_SERVER_WORKERS=1")
    commands = Counter(each.command for each in serving.container.processes())
    for command, number in commands.most_common():
        front = command.partition(":")[0].split(" ")[0].rpartition("/")[2] in FRONTS
        if number >= MANY and not front:
            raise Doubtful(f"{number} processes run the same program: {command[:200]}")


@check("SLS-03", POWERLESS)
def works_without_power(fault: str) -> None:
    """With only /tmp writable, the server is healthy and answers each sample, within two tries."""
    if fault:
        raise Broken(f"as user 65534, with only /tmp writable: {fault}")


@check("SLS-05", UNSHARED)
def works_without_semaphores(fault: str) -> None:
    """The server is healthy and answers each sample, within two tries."""
    if fault:
        raise Broken(f"without /dev/shm: {fault}")


def _works(serving: Serving, condition: str) -> None:
    if found := fault(serving):
        signs = (Sign.UNHEALTHY,) if serving.health.after is None else ()
        raise Broken(f"{condition}: {found}", *signs)
