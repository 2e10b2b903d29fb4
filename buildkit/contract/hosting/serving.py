"""Clauses of hosting that apply to every server: it starts, is healthy, answers and stops."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from buildkit.contract import listening
from buildkit.contract.checks import Broken, Doubtful, Unsampled, Unseen, check, hindered
from buildkit.contract.engine import never_ran
from buildkit.contract.hosting import gunicorn, starting
from buildkit.contract.hosting.client import LARGEST_BODY, NO_UPSTREAM, OK, short
from buildkit.contract.hosting.content import confesses, judge_coding
from buildkit.contract.hosting.server import Serving, fits
from buildkit.contract.logs import last_lines, telling
from buildkit.contract.signs import Sign

PINGS = 10
BROKEN_PROGRAM = ("ModuleNotFoundError", "ImportError", "SyntaxError")
"""Errors that a model would not fix."""
SHOWN = 100
"""Characters of the path of a socket that evidence shows."""
SERVED = starting.of("`serve` with the model read-only", needs_health=False)


@check("RUN-02", SERVED, smoke=True)
def starts(serving: Serving) -> None:
    """The engine can start `serve`, and the program does not end by itself."""
    if not serving.runs:
        _excuse(serving)
        raise Broken(serving.evidence, *serving.signs)


@check("SERVE-01", SERVED, smoke=True)
def answers_on_its_port(serving: Serving) -> None:
    """Something answers HTTP on port 8080 from outside the container."""
    _need_run(serving)
    if serving.health.last is None:
        where = _places(serving)
        late = serving.health.listens or telling(serving.container.lines())
        if where.addresses and late and listening.reaches(where.addresses, starting.PORT):
            raise Unseen(
                f"the server listens on port {starting.PORT}, but never answered in time (SERVE-03)"
            )
        _excuse_brief(serving)
        raise Broken(
            f"no HTTP answer from port {starting.PORT} in {serving.health.waited:.0f} s{where.said}"
            f"; {serving.health.error or ''}{serving.last_words}",
            *(each for each in serving.signs if each is not where.excludes),
            *where.signs,
        )


@check("SERVE-03", SERVED, smoke=True)
def healthy_in_time(serving: Serving) -> None:
    """GET /ping answers 200 within 240 s of the start, or what the samples declare."""
    if serving.health.after is None:
        _excuse(serving)
        if not serving.runs:
            raise Broken(serving.evidence, *serving.signs)
        _excuse_brief(serving)
        waited = f"in {serving.health.waited:.0f} s"
        if serving.health.listens:
            waited += (
                f": something listens on port {starting.PORT} and accepts connections, but does "
                "not answer"
            )
        evidence = serving.evidence.removeprefix("GET /ping ")
        again = "; the last request " if evidence != serving.evidence else ": "
        cause, signs = gunicorn.killed(serving.container)
        raise Broken(
            f"{cause}GET /ping never answered 200 {waited}{again}{evidence}",
            *signs,
            *serving.signs,
        )


@check("SERVE-02", SERVED, smoke=True, decides=True)
def ping_answers(serving: Serving) -> None:
    """GET /ping ten times: 200 each time, within 2 s."""
    serving.need_health()
    for _ in range(PINGS):
        serving.need_ping()


@check("SERVE-06", SERVED, smoke=True, decides=True)
def invocations_answer(serving: Serving) -> None:
    """POST /invocations with each sample: 200, a Content-Type, and the declared answer."""
    serving.a_payload()
    for payload in serving.payloads:
        request = f"POST /invocations ({payload.content_type}, {Path(payload.body).name})"
        began = time.monotonic()
        try:
            answer = serving.invoke(payload)
        except Broken as error:
            raise Broken(f"{error}{last_lines(serving.log)}", *error.signs) from error
        if answer.status != OK or not answer.body or not answer.content_type:
            lost = answer.status in NO_UPSTREAM
            waited = time.monotonic() - began
            cause, signs = gunicorn.killed(serving.container, waited) if lost else ("", ())
            raise Broken(
                f"{cause}{request} answered {answer.shown()}{last_lines(serving.log)}",
                *signs,
                *answer.signs,
            )
        judge_coding(request, answer, dict(payload.headers))
        if len(answer.body) >= LARGEST_BODY:
            raise Broken(f"{request} answered with more than SageMaker passes on")
        if payload.answer is not None and not fits(answer, payload):
            declared = Path(payload.answer)
            raise Broken(
                f"{request} did not answer what {declared.name} holds\n"
                f"found:  {short(answer.body)}\nwanted: {short(declared.read_bytes())}",
                Sign.WRONG_ANSWER,
            )
        if payload.answer is None and (key := confesses(answer.body)):
            raise Doubtful(f"{request} answered {answer.shown()}: 200 with `{key}` in it")


@check("SERVE-14", SERVED, smoke=True, decides=True)
def survives_bad_input(serving: Serving) -> None:
    """Empty, truncated and unknown bodies, then GET /ping and a good request."""
    serving.need_health()
    if not serving.pings():
        raise Unseen("GET /ping is not answered even without bad input (SERVE-02)")
    serving = replace(serving, payloads=serving.answered())
    for content_type, body in (
        ("text/csv", b""),
        ("application/json", b'{"instances": [[1,'),
        ("application/x-nobody-knows", bytes(range(256)) * 64),
    ):
        serving.send(body, {"Content-Type": content_type})
    serving.still_good("bad input")


@check("RUN-09", SERVED, smoke=True, decides=True)
def stops_in_time(serving: Serving) -> None:
    """SIGTERM ends the server within 30 s, without SIGKILL."""
    serving.need_health()
    ending = starting.stopped(serving)
    if ending.signalled is None:
        raise Unseen("the server ended by itself before SIGTERM came")
    if ending.killed:
        raise Broken(f"{ending.evidence}{last_lines(serving.log)}", *ending.signs)


def _need_run(serving: Serving) -> None:
    if not serving.runs:
        raise hindered("the server does not run", Sign.UNHEALTHY)


def _excuse(serving: Serving) -> None:
    """A server that does not run without a model does what SERVE-04 demands."""
    answered = serving.health.last is not None
    if any(sign in serving.log for sign in BROKEN_PROGRAM):
        return
    refused = serving.exit_code is not None and not never_ran(serving.exit_code, serving.log)
    if serving.modelless and (refused or answered):
        raise Unsampled(
            f"no model is declared, and without one {serving.outcome}",
            serving.last_words,
            *serving.signs,
        )


def _excuse_brief(serving: Serving) -> None:
    """Skip a server that did not get all the time that it may take."""
    if serving.brief and serving.health.last is None:
        where = _places(serving)
        raise Unsampled(
            "no model is declared, and without one nothing answered in "
            f"{serving.health.waited:.0f} s{where.said}",
            last_lines(serving.log),
            *where.signs,
        )


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a server listens. `addresses`: None if the image has no `cat` to list them with.

    `sockets`: all unix sockets in its container, if it listens on no address. `bound`: the unix
    sockets that its log names as its own; others may belong to other programs, such as supervisord.
    """

    addresses: frozenset[listening.Address] | None
    sockets: tuple[str, ...] = ()
    bound: frozenset[str] = frozenset()

    @property
    def said(self) -> str:
        if self.addresses is None:
            return ""
        if self.sockets:
            shown = ", ".join(f"`{each[:SHOWN]}`" for each in self.sockets[:3])
            return f"; nothing listens on a port, only on a unix socket: {shown}"
        places = ", ".join(f"{host}:{port}" for host, port in sorted(self.addresses))
        return f"; the server listens {f'on {places}' if places else 'nowhere'}"

    @property
    def signs(self) -> tuple[Sign, ...]:
        """What is wrong with these places."""
        if self.bound.intersection(self.sockets):
            return (Sign.LISTENS_ON_SOCKET,)
        found = self.addresses
        if not found:
            return () if found is None or self.sockets else (Sign.LISTENS_NOWHERE,)
        if not any(listening.reaches(found, port) for _, port in found):
            return (Sign.LISTENS_LOCALLY,)
        return () if any(port == starting.PORT for _, port in found) else (Sign.LISTENS_ELSEWHERE,)

    @property
    def excludes(self) -> Sign | None:
        """What a request cannot have seen: a connection that is refused does not break."""
        return Sign.NOT_WHOLE if self.addresses == frozenset() else None


def _places(serving: Serving) -> Places:
    found = listening.addresses(serving.container)
    sockets = listening.unix_sockets(serving.container) if found == frozenset() else ()
    bound = listening.bound(serving.container.lines())
    return Places(addresses=found, sockets=sockets, bound=bound)
