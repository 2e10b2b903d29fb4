"""One server: a started container of `serve`, and requests to it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract import hints
from buildkit.contract.checks import Broken, Unsampled, Unseen, last_lines, telling, without_pings
from buildkit.contract.engine import ended
from buildkit.contract.hosting.client import NO_ANSWER, OK, PING_SECONDS, Answer, Health, HttpClient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit.contract.engine import Container
    from buildkit.contract.machine import Machine
    from buildkit.model.target import Payload

INVOCATION_SECONDS = 60
"""How long SageMaker waits for an answer of `/invocations` (SERVE-07)."""
GONE_SECONDS = 2
"""Time to wait after a broken connection, as the server may be about to end."""
LOG_LINES = 30
NOT_STARTED = "the engine cannot start `serve`"
BY_ITSELF = "ended by itself"
"""Begin what is known of a server that does not run."""
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
    refusal: str | None
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
            return f"{NOT_STARTED}: {self.refusal}"
        if self.exit_code is not None:
            return f"`serve` {ended(self.exit_code, self.container.ended_by(), BY_ITSELF)}"
        if self.health.last is None:
            return self.health.said or "nothing answered on its port"
        return f"GET /ping answered {self.health.last.shown()}"

    @property
    def listens(self) -> bool:
        """Whether it accepted the last request for health, and never answered one."""
        return self.health.last is None and NO_ANSWER in self.health.said

    @property
    def last_words(self) -> str:
        """The end of its log, after a line that names a cause if there is one."""
        return f"{telling(self.container.lines(), self.log)}{last_lines(self.log)}"

    @property
    def excuse(self) -> str:
        """The line of its log that explains why it listens but does not answer."""
        return hints.telling(line.text for line in self.container.lines())

    def need_health(self) -> None:
        if self.health.after is None:
            raise Unseen("the server never became healthy")

    def ping(self) -> Answer:
        """The answer of `/ping`. Raises Broken if it is too late twice in a row."""
        try:
            return self.client.ask("GET", "/ping", seconds=PING_SECONDS)
        except Broken:
            time.sleep(PING_PAUSE)
        return self.client.ask("GET", "/ping", seconds=PING_SECONDS)

    def pings(self) -> bool:
        """Whether `/ping` answers 200 in time right now."""
        try:
            return self.ping().status == OK
        except Broken:
            return False

    def invoke(self, payload: Payload, more: Mapping[str, str] | None = None) -> Answer:
        """Send a sample, with `more` headers besides its own. Raises Broken."""
        return self.post(Path(payload.body).read_bytes(), payload, more)

    def post(self, body: bytes, like: Payload, more: Mapping[str, str] | None = None) -> Answer:
        """Send a body with the headers of a sample. Raises Broken, also if the server has ended."""
        try:
            return self.client.ask(
                "POST",
                "/invocations",
                seconds=INVOCATION_SECONDS,
                body=body,
                headers=request_headers(like, more),
            )
        except Broken as error:
            raise Broken(f"{error}{self.gone()}") from error

    def gone(self) -> str:
        """How the server ended, or which of its processes the kernel killed; empty if neither."""
        exit_code = self.container.wait(GONE_SECONDS)
        reason = self.container.ended_by()
        if exit_code is not None:
            return f": the server {ended(exit_code, reason)}"
        return f": {reason}" if reason else ""

    def a_payload(self) -> Payload:
        """The first sample. Raises Unseen without one."""
        self.need_health()
        if not self.payloads:
            raise Unsampled("no payload is declared, or none is answered with 200 (SERVE-06)")
        return self.payloads[0]

    def answered(self) -> tuple[Payload, ...]:
        """The payloads that are answered with 200."""
        return tuple(each for each in self.payloads if self._answers(each))

    def takes(self, payload: Payload) -> bool:
        """Whether a payload of the suite's own gets an answer that SageMaker accepts."""
        try:
            answer = self.invoke(payload)
        except Broken:
            return False
        return answer.status == OK and bool(answer.body and answer.content_type)

    def _answers(self, payload: Payload) -> bool:
        try:
            return self.invoke(payload).status == OK
        except Broken:
            return False

    def still_good(self, after: str) -> None:
        """Check that /ping and the first sample, if any, still get 200. Raises Broken."""
        answer = self.ping()
        if answer.status != OK:
            raise Broken(f"after {after} GET /ping answered {answer.shown()}")
        for payload in self.payloads[:1]:
            answer = self.invoke(payload)
            if answer.status != OK:
                raise Broken(f"after {after} a good request was answered with {answer.shown()}")


def request_headers(payload: Payload, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The headers of a sample, and those of `more` that do not repeat one of its own."""
    own = {name.lower() for name, _ in payload.headers}
    headers = {"Content-Type": payload.content_type, **dict(payload.headers)}
    if payload.accept is not None:
        headers["Accept"] = payload.accept
    return headers | {
        name: value for name, value in (more or {}).items() if name.lower() not in own
    }
