"""One model server on this machine: started, waited for, asked and stopped as SageMaker does."""

from __future__ import annotations

import shlex
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract import machine
from buildkit.contract.engine import End, Mount
from buildkit.contract.hosting import starting
from buildkit.contract.hosting.client import HttpClient
from buildkit.contract.hosting.server import request_headers
from buildkit.contract.jobs import training_job
from buildkit.run import kept, logs
from buildkit.run.ending import Ending
from buildkit.run.image import near
from buildkit.support.errors import ContractError, UsageError
from buildkit.system import console
from buildkit.system.console import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.contract.engine import Start
    from buildkit.engine.containers import Container
    from buildkit.engine.engine import Engine
    from buildkit.model.target import Payload
    from buildkit.run.image import Image
    from buildkit.run.training import How

HEALTH_SECONDS = 480
"""How long SageMaker waits for the first 200 of `/ping`, where nothing else is configured."""
NAME = "serve"


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is served: a folder or .tar.gz, None without one; and a folder of code for it."""

    path: Path | None
    code: Path | None = None

    @property
    def shown(self) -> str:
        return "none" if self.path is None else near(self.path)


def model_of(image: Image, given: Path | None, code: Path | None) -> Model:
    """The model to serve: the given one, that of the last training, of the test, or the samples.

    Raises UsageError for a path that is none, and if an image that trains has not trained yet.
    """
    if given is not None:
        if not given.exists():
            raise UsageError(
                f"the model {given} does not exist", hint="pass a folder or a model.tar.gz"
            )
        return Model(path=given, code=code)
    found = kept.model_of(image.folder)
    if found is None and image.tested is not None:
        found = kept.model_of(image.tested)
    if found is None and image.samples.model is not None:
        found = Path(image.samples.model)
    if found is None and image.target is not None and image.purpose.trains:
        raise UsageError(
            f"{image.name} has no model: it was trained neither here nor in a test",
            hint=f"`buildkit run {image.name} train`, or pass `--model PATH`",
        )
    return Model(path=found, code=code)


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server: `address` is where its container is reached from here.

    `seconds` passed until it was healthy; somebody may have asked for its end before.
    """

    container: Container
    address: tuple[str, int]
    seconds: float

    @property
    def client(self) -> HttpClient:
        host, port = self.address
        return HttpClient(host=host, port=port)

    def until_stopped(self, asked: threading.Event) -> None:
        """Wait until the server is asked to stop, then stop it.

        Raises ContractError if it ends by itself.
        """
        ending = Ending(
            containers={NAME: self.container}, seconds=starting.STOP_SECONDS, asked=asked
        )
        ending.wait()
        if not asked.is_set():
            end = End(ending.codes[NAME], self.container.ended_by())
            raise _unfit(f"`serve` ended by itself {end}")


@contextmanager
def started(engine: Engine, image: Image, model: Model, how: How) -> Iterator[Container]:
    """The container of a server, which shows its log from the start on."""
    with laid_out(engine, image, model, how) as container:
        if (refusal := machine.refused(image.bench(engine), container)) is not None:
            raise ContractError(
                f"the engine cannot start `serve`: {refusal}",
                hint="`buildkit explain RUN-02` says how SageMaker starts an image",
            )
        with logs.shown(container, NAME):
            try:
                yield container
            finally:  # so that the log ends
                container.send("SIGKILL")


@contextmanager
def laid_out(
    engine: Engine, image: Image, model: Model, how: How, start: Start = starting.SERVE
) -> Iterator[Container]:
    """A container with the model, which is read-only as in SageMaker (SERVE-17), not started."""
    engine = engine.connected(outside=not how.isolated)
    start = replace(start, gpus=how.gpus, environment=dict(image.samples.environment))
    with engine.volume() as volume:
        mount = Mount(volume=volume, path=starting.MODEL)
        with engine.container(image.reference, replace(start, mounts=(mount,))) as filler:
            filler.put(training_job.ROOT, kept.laid_out(model.path, model.code))
        read_only = replace(mount, read_only=True)
        with engine.container(image.reference, replace(start, mounts=(read_only,))) as container:
            yield container


def healthy(container: Container, image: Image, asked: threading.Event | None = None) -> Server:
    """Wait until a server is healthy, or until somebody has asked for its end.

    Raises ContractError if it never is.
    """
    asked = asked or threading.Event()
    host, port = container.address(starting.PORT)
    seconds = image.samples.startup_seconds or HEALTH_SECONDS
    pace, began = Pace(), time.monotonic()

    def say(waits: str) -> None:
        if pace.due():
            said = waits.replace("GET /ping got no whole answer: ", "")
            console.step(NAME, f"{said} ({time.monotonic() - began:.0f} s)", dim=True)

    def still_runs() -> bool:
        return not asked.is_set() and container.wait(0) is None

    health = HttpClient(host=host, port=port).wait_for_health(seconds, still_runs, say)
    after = health.after
    if after is None and not asked.is_set():
        if (code := container.wait(0)) is not None:
            raise _unfit(f"`serve` ended by itself {End(code, container.ended_by())}")
        last = health.error or "nothing answered on port 8080"
        said = last if health.last is None else f"GET /ping answered {health.last.shown()}"
        raise _unfit(f"`serve` is not healthy after {seconds:.0f} s: {said}")
    return Server(container=container, address=(host, port), seconds=after or 0.0)


def _unfit(message: str) -> ContractError:
    return ContractError(
        message,
        hint="the log above says why; `buildkit test` names causes, and "
        "`buildkit explain SERVE-02` what SageMaker demands",
    )


def curl(url: str, payload: Payload | None) -> str:
    """A command that sends a sample; without one, what to fill in."""
    if payload is None:
        words = ["curl", "--data-binary", "@FILE", "-H", "Content-Type: text/csv"]
    else:
        words = ["curl", "--data-binary", f"@{near(Path(payload.body))}"]
        for name, value in request_headers(payload).items():
            words += ["-H", f"{name}: {value}"]
    return shlex.join([*words, f"{url}/invocations"])
