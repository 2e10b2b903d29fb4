"""Containers of `serve`: started with a model in some state, under some conditions."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract.archive import Archive
from buildkit.contract.bench import Bench, Scenario
from buildkit.contract.clause import Broken, Unseen, last_lines
from buildkit.contract.hosting.client import OK, PING_SECONDS, Answer, Health, HttpClient
from buildkit.contract.jobs import job, runs
from buildkit.contract.world import Mount, Start
from buildkit.model import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkit.contract.world import Container
    from buildkit.model import Payload

PORT = 8080
START_SECONDS = 240
"""`/ping` must answer 200 within this time: the stricter of AWS's figures (SERVE-03)."""
INVOCATION_SECONDS = 60
STOP_SECONDS = 30
MODEL = f"{job.ROOT}/model"
SERVE = Start(command=("serve",), ports=(PORT,))
SAMPLE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A container of `serve`, started, and healthy or not.

    `exit_code` is None while it runs. `modelless`: it had no model, because none is declared.
    """

    container: Container
    client: HttpClient
    refusal: str | None
    health: Health
    exit_code: int | None
    payloads: tuple[Payload, ...] = ()
    modelless: bool = False

    @property
    def log(self) -> str:
        return self.container.logs()

    @property
    def told(self) -> str:
        """How it fares and what it said, for evidence."""
        if self.refusal is not None:
            return f"the engine cannot start it: {self.refusal}"
        if self.exit_code is not None:
            ended_by = self.container.ended_by()
            reason = f" ({ended_by})" if ended_by else ""
            return f"`serve` ended by itself with {self.exit_code}{reason}{last_lines(self.log)}"
        if self.health.last is None:
            return f"{self.health.said or 'nothing answered on its port'}{last_lines(self.log)}"
        return f"GET /ping answered {self.health.last.shown()}{last_lines(self.log)}"

    def need_health(self) -> None:
        if self.health.after is None:
            raise Unseen("the server never became healthy")

    def ping(self) -> Answer:
        """Ask once more after no answer: this machine may have been slow, and not the image."""
        try:
            return self.client.ask("GET", "/ping", seconds=PING_SECONDS)
        except Broken:
            return self.client.ask("GET", "/ping", seconds=PING_SECONDS)

    def invoke(self, payload: Payload, **headers: str) -> Answer:
        """Send a sample. `headers`: underscores stand for hyphens."""
        return self.client.ask(
            "POST",
            "/invocations",
            seconds=INVOCATION_SECONDS,
            body=Path(payload.body).read_bytes(),
            headers={**request_headers(payload), **_hyphenated(headers)},
        )

    def a_payload(self) -> Payload:
        """The first sample. Raises Unseen without one."""
        self.need_health()
        if not self.payloads:
            raise Unseen("the samples have no payload")
        return self.payloads[0]

    def still_good(self, after: str) -> None:
        """It still pings, and answers the first sample if there is one. Raises Broken."""
        answer = self.ping()
        if answer.status != OK:
            raise Broken(f"after {after} GET /ping answered {answer.shown()}")
        for payload in self.payloads[:1]:
            answer = self.invoke(payload)
            if answer.status != OK:
                raise Broken(f"after {after} a good request was answered with {answer.shown()}")


def request_headers(payload: Payload) -> dict[str, str]:
    headers = {"Content-Type": payload.content_type}
    if payload.accept is not None:
        headers["Accept"] = payload.accept
    return headers


def _hyphenated(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def model(bench: Bench) -> str | None:
    """The volume with the model to serve, None where none is declared. Raises Unseen."""
    samples = bench.subject.samples
    if bench.subject.purpose.trains and (samples.channels or samples.model is None):
        if runs.trained(bench).good or samples.channels:
            return runs.trained_model(bench)
        return None
    return None if samples.model is None else bench.once(_declared_model)


def _declared_model(bench: Bench) -> str:
    archive = Archive()
    archive.tree("model", Path(bench.subject.samples.model or ""))
    return runs.filled(bench, MODEL, archive.chunks())


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
    inside: bool = False,
    door: Container | None = None,
) -> Iterator[Serving]:
    """A server with the chosen model, read-only as in SageMaker (SERVE-17), until it is healthy.

    `seconds` is how long it may take, by default what the samples declare. `inside`: it is asked
    at its own address, since an isolated network publishes no port. Raises Unseen where this
    engine's networks are not reached from here.
    """
    volume = choose(bench)
    mount = Mount(volume=volume or empty_model(bench), path=MODEL, read_only=not writable)
    start = replace(start, mounts=(mount, *start.mounts))
    with started(bench, start, seconds=seconds, inside=inside, door=door) as serving:
        yield replace(serving, modelless=choose is model and volume is None)


@contextmanager
def started(
    bench: Bench,
    start: Start,
    *,
    seconds: float | None = None,
    inside: bool = False,
    door: Container | None = None,
) -> Iterator[Serving]:
    """A server as it is told to start, without a model unless `start` mounts one.

    `door` is the container whose published ports lead to it, if it shares that one's network.
    """
    with bench.engine.container(bench.subject.image, start) as container:
        refusal = container.start()
        host, port = "", 0
        if refusal is None:
            published = (door or container).address
            host, port = _inside(container, start) if inside else published(start.ports[0])
        client = HttpClient(host=host, port=port)
        health = Health(after=None, last=None)
        if refusal is None:
            limit = bench.subject.samples.startup_seconds or START_SECONDS
            health = client.wait_for_health(
                limit if seconds is None else seconds, lambda: container.wait(0) is None
            )
        yield Serving(
            container=container,
            client=client,
            refusal=refusal,
            health=health,
            exit_code=None if refusal is not None else container.wait(0),
            payloads=bench.subject.samples.payloads,
        )


def _inside(container: Container, start: Start) -> tuple[str, int]:
    address = container.inside()
    if address is None:
        if container.wait(0) is not None:
            return "127.0.0.1", 9  # nobody will answer, and that is right
        raise Unseen("the engine runs elsewhere: its networks are not reached from here")
    return address, start.ports[0]


def healthy(bench: Bench) -> float:
    """Seconds until the server on the samples was healthy. Raises Unseen if it never was.

    A variant of a server that is not even healthy as it is would say nothing.
    """
    seconds = bench.once(_health)
    if seconds is None:
        raise Unseen("`serve` on the samples is not healthy, so nothing can be compared with it")
    return seconds


def _health(bench: Bench) -> float | None:
    with served(bench) as serving:
        return serving.health.after


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

    @contextmanager
    def stage(bench: Bench) -> Iterator[Serving]:
        if needs_health:
            healthy(bench)
        with served(bench, start=start, choose=choose, seconds=seconds) as serving:
            yield serving

    return Scenario(title=title, stage=stage, purpose=Purpose.INFERENCE, alone=alone)


def stopped(serving: Serving, grace: int = STOP_SECONDS) -> tuple[int | None, float]:
    """SIGTERM, and after `grace` seconds SIGKILL: the exit code, and how long it took."""
    began = time.monotonic()
    return serving.container.stop(grace), time.monotonic() - began
