"""One training job on this machine, on one host or several."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract import archive, machine
from buildkit.contract.engine import End
from buildkit.contract.jobs import endings, training_job, training_runs
from buildkit.run import kept, logs
from buildkit.run.ending import Ending
from buildkit.run.image import near
from buildkit.support.amounts import count, size
from buildkit.support.errors import ContractError
from buildkit.system import stopping

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping

    from buildkit.contract.engine import Start
    from buildkit.contract.jobs.training_job import Job
    from buildkit.engine.containers import Container
    from buildkit.engine.engine import Engine
    from buildkit.run.image import Image
    from buildkit.run.kept import Kept

REASON = 1024
"""Characters of `/opt/ml/output/failure` that SageMaker shows."""
FAILURE = f"{training_job.ROOT}/{training_runs.FAILURE}"
NOT_OF_A_NAME = re.compile(r"[^A-Za-z0-9]+")
LONGEST_NAME = 63


@dataclass(frozen=True, kw_only=True)
class How:
    """`isolated`: without a network, except among the hosts."""

    hosts: int = 1
    gpus: bool = False
    isolated: bool = False


@dataclass(frozen=True, kw_only=True)
class Trained:
    """How a job ended: the exit code, and the reason of the host that failed first.

    `stopped`: somebody asked for the end, and no host had failed before.
    `ended_by`: why the kernel or buildkit killed it.
    `kept` is None if nothing was kept, as after a failure.
    """

    exit_code: int
    seconds: float
    stopped: bool
    killed: bool
    reason: str
    ended_by: str
    kept: Kept | None

    @property
    def failed(self) -> bool:
        return self.exit_code != 0 and not self.stopped

    @property
    def outcome(self) -> str:
        return f"ended {End(self.exit_code, self.ended_by)}"


def job_name(name: str, now: float) -> str:
    """A name for a job that SageMaker would accept."""
    stamp = time.strftime("-%Y-%m-%d-%H-%M-%S", time.gmtime(now))
    return NOT_OF_A_NAME.sub("-", name).strip("-")[: LONGEST_NAME - len(stamp)] + stamp


def described(image: Image) -> Iterator[str]:
    """What the job gets, a line for each channel."""
    for name, path in image.samples.channels:
        files = training_job.files_of(Path(path))
        held = size(sum(each.stat().st_size for each in files))
        yield f"channel {name}: {near(Path(path))} ({count(len(files), 'file')}, {held})"
    if image.samples.code is not None:
        yield f"code: {near(Path(image.samples.code))}"
    if given := image.samples.hyperparameters:
        yield f"hyperparameters: {', '.join(f'{name}={value}' for name, value in given)}"


def hosts(image: Image, number: int, name: str) -> tuple[Job, ...]:
    """The job of each host."""
    names = tuple(f"algo-{each + 1}" for each in range(number))
    work = replace(training_job.of(image.samples, name), hosts=names)
    return tuple(replace(work, host=each) for each in names)


def train(engine: Engine, image: Image, how: How) -> Trained:
    """Run a job to its end. Raises ContractError if a container cannot be started.

    What it leaves is kept, unless it failed. The first signal stops the job.
    """
    work = hosts(image, how.hosts, job_name(image.name, time.time()))
    with ExitStack() as stack:
        containers = prepared(stack, engine, image, how, work)
        asked = stack.enter_context(stopping.gently())
        began = time.monotonic()
        ending = _run(image, engine, containers, asked)
        seconds = time.monotonic() - began
        first = _first_failed(ending)
        container = containers[first]
        code = ending.codes.get(first, endings.KILLED)
        failed = code != 0 and not ending.stopped
        left = list(containers.values())
        return Trained(
            exit_code=code,
            seconds=seconds,
            stopped=ending.stopped,
            killed=bool(ending.killed),
            reason=_reason(container) if code != 0 else "",
            ended_by=container.ended_by(),
            kept=None if failed else kept.keep(left, image.folder, stopped=ending.stopped),
        )


def prepared(
    stack: ExitStack,
    engine: Engine,
    image: Image,
    how: How,
    work: tuple[Job, ...],
    *,
    start: Start = training_runs.TRAIN,
) -> Mapping[str, Container]:
    """The container of each host, laid out and not yet started."""
    engine = engine.connected(outside=not how.isolated)
    network = stack.enter_context(engine.network()) if how.hosts > 1 else None
    start = replace(start, gpus=how.gpus, memory=engine.memory // how.hosts)
    containers = {}
    for job in work:
        named = start if network is None else replace(start, networks=((network, (job.host,)),))
        containers[job.host] = stack.enter_context(_laid_out(engine, image, job, named))
    return containers


@contextmanager
def _laid_out(engine: Engine, image: Image, job: Job, start: Start) -> Iterator[Container]:
    with engine.volume() as volume:
        start = training_runs.starting(job, start, volume, {})
        with engine.container(image.reference, start) as container:
            container.put(training_job.ROOT, job.archive())
            yield container


def _run(
    image: Image, engine: Engine, containers: Mapping[str, Container], asked: threading.Event
) -> Ending:
    with ThreadPoolExecutor(max_workers=len(containers)) as pool:  # the hosts look for each other
        refusals = pool.map(partial(machine.refused, image.bench(engine)), containers.values())
    if found := [str(refusal) for refusal in refusals if refusal is not None]:
        raise ContractError(
            f"the engine cannot start `train`: {found[0]}",
            hint="`buildkit explain RUN-01` says how SageMaker starts an image",
        )
    with ExitStack() as shown:
        for name, container in containers.items():
            shown.enter_context(logs.shown(container, name))
        ending = Ending(containers=containers, seconds=endings.STOP_SECONDS, asked=asked)
        ending.wait()
    return ending


def _first_failed(ending: Ending) -> str:
    """The host to report: one that failed by itself, rather than one that was stopped for it."""
    failed = [name for name, code in ending.codes.items() if code != 0]
    return [*failed, *ending.killed, *ending.containers][0]


def _reason(container: Container) -> str:
    text = archive.head(container.get(FAILURE), 4 * REASON).decode("utf-8", "replace")
    return text.strip()[:REASON]
