"""One server: a started container of `serve`, and requests to it."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Unsampled, hindered
from buildkit.contract.comparison import same
from buildkit.contract.engine import End
from buildkit.contract.hosting import gunicorn
from buildkit.contract.hosting.client import (
    INVOCATION_SECONDS,
    OK,
    PING_SECONDS,
    Answer,
    Health,
    HttpClient,
)
from buildkit.contract.logs import last_words, without_pings
from buildkit.contract.signs import Sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from buildkit.contract.engine import Container, Refusal
    from buildkit.contract.machine import Machine
    from buildkit.model.target import Payload

GONE_SECONDS = 2
"""Time to wait after a broken connection, as the server may be about to end."""
LOG_LINES = 30
PING_PAUSE = 0.2
"""Seconds before `/ping` is asked again after a miss."""


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A container of `serve`, started, and healthy or not.

    `exit_code` is None while it runs. `modelless`: it had no model, because none is declared.
    `brief`: the wait was shorter than SageMaker's, because no samples are declared either.
    """

    container: Container
    machine: Machine
    client: HttpClient
    refusal: Refusal | None
    health: Health
    exit_code: int | None
    payloads: tuple[Payload, ...] = ()
    modelless: bool = False
    brief: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the first sample, for requests on bare sockets."""
        return dict(self.payloads[0].headers) if self.payloads else {}

    @property
    def log(self) -> str:
        """Its last lines, without those about /ping if there are others."""
        others = without_pings(line.text for line in self.container.lines())
        return "".join(f"{line}\n" for line in others[-LOG_LINES:]) or self.container.logs()

    @property
    def evidence(self) -> str:
        """Its state and its last lines, for evidence."""
        return self.outcome if self.refusal is not None else f"{self.outcome}{self.last_words}"

    @property
    def outcome(self) -> str:
        """Why the server does not run, or how it answers `/ping`."""
        if self.refusal is not None:
            return f"the engine cannot start `serve`: {self.refusal}"
        if self.exit_code is not None:
            return f"`serve` ended by itself {End(self.exit_code, self.container.ended_by())}"
        if self.health.last is None:
            return str(self.health.error or "nothing answered on its port")
        return f"GET /ping answered {self.health.last.shown()}"

    @property
    def signs(self) -> tuple[Sign, ...]:
        """What the outcome of a server that is not healthy shows."""
        if self.refusal is not None:
            return (Sign.NOT_RUNNING, *self.refusal.signs)
        if self.exit_code is not None:
            return (Sign.NOT_RUNNING, *End(self.exit_code, self.container.ended_by()).signs)
        return self.health.signs

    @property
    def runs(self) -> bool:
        return self.refusal is None and self.exit_code is None

    @property
    def last_words(self) -> str:
        """The end of its log, after a line that names a cause if there is one."""
        return last_words(self.container.lines(), self.log)

    def need_health(self) -> None:
        if self.health.after is None:
            raise hindered("the server never became healthy", Sign.UNHEALTHY)

    def ping(self, seconds: float = PING_SECONDS) -> Answer:
        """The answer of `/ping`. Raises Broken if it is too late twice in a row."""
        with suppress(Broken):
            return self.client.ask("GET", "/ping", seconds=seconds)
        time.sleep(PING_PAUSE)
        return self.client.ask("GET", "/ping", seconds=seconds)

    def need_ping(self, when: str = "", seconds: float = PING_SECONDS) -> None:
        """Raises Broken if `/ping` is too late, or does not answer 200."""
        answer = self.ping(seconds)
        if answer.status != OK:
            evidence = f"{when}GET /ping answered {answer.shown()}"
            raise Broken(evidence, Sign.PING, *answer.signs)

    def pings(self) -> bool:
        """Whether `/ping` answers 200 in time right now."""
        return not outcome(self.ping)

    def invoke(self, payload: Payload, more: Mapping[str, str] | None = None) -> Answer:
        """Send a sample, with `more` headers besides its own. Raises Broken."""
        return self.post(Path(payload.body).read_bytes(), payload, more)

    def post(self, body: bytes, like: Payload, more: Mapping[str, str] | None = None) -> Answer:
        """Send a body with the headers of a sample. Raises Broken, also if the server has ended."""
        began = time.monotonic()
        try:
            return self.send(body, request_headers(like, more))
        except Broken as error:
            end, ended = self.gone()
            cause, killed = gunicorn.killed(self.container, time.monotonic() - began)
            raise Broken(f"{cause}{error}{end}", *killed, *error.signs, *ended) from error

    def send(
        self,
        body: bytes | Iterable[bytes],
        headers: Mapping[str, str],
        seconds: float | None = None,
    ) -> Answer:
        """Any request to /invocations. Raises Broken."""
        return self.client.ask("POST", "/invocations", seconds=seconds, body=body, headers=headers)

    def gone(self) -> tuple[str, tuple[Sign, ...]]:
        """How the server ended, or which of its processes the kernel killed; empty if neither."""
        exit_code = self.container.wait(GONE_SECONDS)
        reason = self.container.ended_by()
        if exit_code is not None:
            end = End(exit_code, reason)
            return f": the server ended {end}", end.signs
        return (f": {reason}" if reason else ""), ()

    def a_payload(self) -> Payload:
        """The first sample. Raises Unseen without one."""
        self.need_health()
        if not self.payloads:
            raise Unsampled("no payload is declared, or none is answered with 200 (SERVE-06)")
        return self.payloads[0]

    def answered(self) -> tuple[Payload, ...]:
        """The payloads that are answered with 200."""
        return tuple(each for each in self.payloads if not outcome(partial(self.invoke, each)))

    def takes(self, payload: Payload) -> bool:
        """Whether a payload of the suite's own gets an answer that SageMaker accepts."""
        try:
            answer = self.invoke(payload)
        except Broken:
            return False
        return answer.status == OK and bool(answer.body and answer.content_type)

    def still_good(self, after: str) -> None:
        """Check that /ping and the first sample, if any, still get 200. Raises Broken.

        A late answer of /ping is a matter of SERVE-02.
        """
        self.need_ping(f"after {after} ", INVOCATION_SECONDS)
        for payload in self.payloads[:1]:
            answer = self.invoke(payload)
            if answer.status != OK:
                raise Broken(f"after {after} a good request was answered with {answer.shown()}")


def outcome(ask: Callable[[], Answer]) -> str:
    """What went wrong with a request, empty if it got 200."""
    try:
        answer = ask()
    except Broken as error:
        return str(error)
    return "" if answer.status == OK else answer.shown()


def named(payload: Payload) -> str:
    return f"{Path(payload.body).name} ({payload.content_type})"


def fits(answer: Answer, payload: Payload) -> bool:
    """Whether an answer is the one that the sample declares, if it declares one."""
    if payload.answer is None:
        return True
    return same(answer.content_type, answer.body, Path(payload.answer).read_bytes())


def request_headers(payload: Payload, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The headers of a sample, and those of `more` that do not repeat one of its own."""
    own = {name.lower() for name, _ in payload.headers}
    headers = {"Content-Type": payload.content_type, **dict(payload.headers)}
    if payload.accept is not None:
        headers["Accept"] = payload.accept
    return headers | {
        name: value for name, value in (more or {}).items() if name.lower() not in own
    }
