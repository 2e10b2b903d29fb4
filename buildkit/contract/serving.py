"""Clauses of hosting: `serve` on a trained model, asked over HTTP as SageMaker asks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from buildkit.contract.answers import same
from buildkit.contract.clause import Broken, Unseen, clause, last_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit.model import Payload

START_SECONDS = 240
"""`/ping` must answer 200 within this time: the stricter of AWS's figures (SERVE-03)."""
PING_SECONDS = 2
INVOCATION_SECONDS = 60
STOP_SECONDS = 30
KILLED = 137
OK = 200


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    content_type: str
    body: bytes

    def shown(self) -> str:
        return f"{self.status} {self.content_type}: {_short(self.body)}"


class Client(Protocol):
    """Sends requests to one container. Raises Broken if there is no whole answer in time."""

    def ask(
        self,
        method: str,
        path: str,
        *,
        seconds: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer: ...


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A container of `serve`. `healthy_after` is None if `/ping` never answered 200."""

    refusal: str | None
    healthy_after: float | None
    exit_code: int | None
    log: str
    client: Client
    payloads: tuple[Payload, ...]


@dataclass(frozen=True, kw_only=True)
class ServingStop:
    exit_code: int | None
    seconds: float
    log: str


@clause(
    "RUN-02",
    "`docker run IMAGE serve` starts and stays",
    source="your-algorithms-inference-code",
    hint="put an executable `serve` on PATH that runs a web server in the foreground",
)
def starts(serving: Serving) -> None:
    if serving.refusal is not None:
        raise Broken(f"the engine cannot start `serve`: {serving.refusal}")
    if serving.exit_code is not None:
        raise Broken(f"`serve` ended by itself with {serving.exit_code}{last_lines(serving.log)}")


@clause(
    "SERVE-03",
    f"healthy within {START_SECONDS} s",
    source="your-algorithms-inference-code",
    hint="listen on 0.0.0.0:8080 and answer GET /ping with 200 as soon as the model is loaded",
)
def healthy_in_time(serving: Serving) -> None:
    if serving.healthy_after is None:
        raise Broken(f"GET /ping never answered 200{last_lines(serving.log)}")


@clause(
    "SERVE-02",
    "GET /ping answers 200 within 2 s",
    source="your-algorithms-inference-code",
    hint="answer /ping from its own thread or worker; it must not wait for a prediction",
)
def ping_answers(serving: Serving) -> None:
    _need_health(serving)
    for _ in range(10):
        answer = _ping(serving)
        if answer.status != OK:
            raise Broken(f"GET /ping answered {answer.shown()}")


@clause(
    "SERVE-06",
    "POST /invocations answers each sample correctly",
    source="your-algorithms-inference-code",
    hint="read the body by its Content-Type, answer 200 with the right Content-Type; where only "
    "the prediction differs, mend the model or the `answer` of the sample",
)
def invocations_answer(serving: Serving) -> None:
    _need_health(serving)
    if not serving.payloads:
        raise Unseen("the samples have no payload")
    for payload in serving.payloads:
        _check_payload(serving, payload)


@clause(
    "SERVE-14",
    "bad input does not kill the server",
    source="your-algorithms-inference-code",
    hint="answer 4xx to what cannot be read, and keep serving",
)
def survives_bad_input(serving: Serving) -> None:
    _need_health(serving)
    for content_type, body in (
        ("text/csv", b""),
        ("application/json", b'{"instances": [[1,'),
        ("application/x-nobody-knows", bytes(range(256)) * 64),
    ):
        serving.client.ask(
            "POST",
            "/invocations",
            seconds=INVOCATION_SECONDS,
            body=body,
            headers={"Content-Type": content_type},
        )
    answer = _ping(serving)
    if answer.status != OK:
        raise Broken(f"after bad input GET /ping answered {answer.shown()}")
    for payload in serving.payloads[:1]:
        answer = _invoke(serving, payload)
        if answer.status != OK:
            raise Broken(f"after bad input a good request was answered with {answer.shown()}")


@clause(
    "RUN-09",
    f"a stopped server ends within {STOP_SECONDS} s",
    source="your-algorithms-inference-code",
    hint="handle SIGTERM in the first process: finish what is in flight, then exit",
)
def stops_in_time(stop: ServingStop) -> None:
    if stop.exit_code is None or stop.exit_code == KILLED:
        raise Broken(f"SIGKILL was needed {stop.seconds:.0f} s after SIGTERM{last_lines(stop.log)}")


CLAUSES = (starts, healthy_in_time, ping_answers, invocations_answer, survives_bad_input)
STOP_CLAUSES = (stops_in_time,)


def _ping(serving: Serving) -> Answer:
    """Ask once more after no answer: this machine may have been slow, and not the image."""
    try:
        return serving.client.ask("GET", "/ping", seconds=PING_SECONDS)
    except Broken:
        return serving.client.ask("GET", "/ping", seconds=PING_SECONDS)


def _need_health(serving: Serving) -> None:
    if serving.healthy_after is None:
        raise Unseen("the server never became healthy")


def _check_payload(serving: Serving, payload: Payload) -> None:
    request = f"POST /invocations ({payload.content_type}, {Path(payload.body).name})"
    answer = _invoke(serving, payload)
    if answer.status != OK or not answer.body or not answer.content_type:
        raise Broken(f"{request} answered {answer.shown()}{last_lines(serving.log)}")
    if payload.answer is not None:
        wanted = Path(payload.answer).read_bytes()
        if not same(answer.content_type, answer.body, wanted):
            raise Broken(
                f"{request} answered another thing than {Path(payload.answer).name} holds\n"
                f"found:  {_short(answer.body)}\nwanted: {_short(wanted)}"
            )


def _invoke(serving: Serving, payload: Payload) -> Answer:
    headers = {"Content-Type": payload.content_type}
    if payload.accept is not None:
        headers["Accept"] = payload.accept
    return serving.client.ask(
        "POST",
        "/invocations",
        seconds=INVOCATION_SECONDS,
        body=Path(payload.body).read_bytes(),
        headers=headers,
    )


def _short(body: bytes) -> str:
    return repr(body[:200].decode("utf-8", "replace"))
