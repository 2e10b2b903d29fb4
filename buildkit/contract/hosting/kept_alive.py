"""Clauses of hosting on connections that stay open between two requests, as SageMaker's do."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful, Unseen, check
from buildkit.contract.hosting import parallel
from buildkit.contract.hosting.client import INVOCATION_SECONDS, OK, PING_SECONDS
from buildkit.contract.hosting.server import request_headers
from buildkit.contract.hosting.traffic import Loaded, after_the_answer, under_load
from buildkit.contract.signs import Sign

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.client import HTTPConnection

    from buildkit.contract.hosting.client import Answer

KEPT_ALIVE = 50
BESIDE_SECONDS = 10
"""How long a request may wait beside an idle connection: two of SageMaker's intervals between two
requests for /ping. Many servers close an idle connection sooner, and then answer the next one."""
PAUSE_SECONDS = 0.1
TRIES = 2
INVOCATIONS = "/invocations"


@check("SERVE-02", under_load)
def an_idle_connection_blocks_no_ping(loaded: Loaded) -> None:
    """GET /ping on a new connection, while another one stays open after its answer: 200 in 2 s.

    Only a doubt, as no source says that SageMaker keeps connections of an endpoint open between
    requests; and only if it happens twice, and /ping is answered without the other connection.
    """
    loaded.need_life()
    client = loaded.serving.client
    ping = partial(client.ask, "GET", "/ping", seconds=PING_SECONDS)
    _need_room(loaded, ping, "GET /ping", PING_SECONDS)


@check("SERVE-15", under_load)
def an_idle_connection_blocks_no_request(loaded: Loaded) -> None:
    """The first sample is answered while another connection stays open after its answer."""
    payload = loaded.need_sample()
    first = loaded.serving.invoke(payload)
    seconds = BESIDE_SECONDS + 2 * first.seconds
    headers, body = request_headers(payload), Path(payload.body).read_bytes()
    ask = partial(
        loaded.serving.client.ask, "POST", INVOCATIONS,
        seconds=seconds, body=body, headers=headers,
    )  # fmt: skip
    _need_room(loaded, ask, f"POST {INVOCATIONS}", seconds)


def _need_room(loaded: Loaded, ask: Callable[[], Answer], asked: str, seconds: float) -> None:
    """Raises Doubtful if a request is not answered in time beside an idle connection."""
    late: float | None = None
    for _ in range(TRIES):
        waited = _waits(loaded, ask)
        if waited == 0:
            return
        if not _answered(ask) and not _answered(ask):
            raise Unseen(f"{asked} is not answered without another connection either")
        late = waited if waited is not None else late
    if late is None:
        seconds = max(seconds, BESIDE_SECONDS)
        then = "without that connection it got one"
    else:
        then = f"it got one after {late:.0f} s, as the server closed the other"
    raise Doubtful(
        f"while another connection stayed open after its answer, {asked} got no answer in "
        f"{seconds:.0f} s; {then}",
        Sign.IDLE_BLOCKS,
    )


def _waits(loaded: Loaded, ask: Callable[[], Answer]) -> float | None:
    """How long a request is not answered beside an idle connection: 0 if at once, None if never.

    It is 0 also if the server keeps no connection open.
    """
    client = loaded.serving.client
    with client.connected(INVOCATION_SECONDS) as idle:
        with suppress(Broken):
            _first_on(loaded, idle)
        if idle.sock is None:
            return 0
        began = time.monotonic()
        limit = loaded.serving.machine.limit(loaded.serving.container, BESIDE_SECONDS)
        if _answered(ask):
            return 0
        while not limit.expired():
            time.sleep(PAUSE_SECONDS)  # a server that refuses connections answers at once
            if _answered(ask):
                return time.monotonic() - began
    return None


def _first_on(loaded: Loaded, connection: HTTPConnection) -> None:
    """A request on a connection that stays open: a sample, else /ping."""
    client, seconds = loaded.serving.client, INVOCATION_SECONDS
    if not loaded.works:
        client.ask_on(connection, "GET", "/ping", seconds=seconds)
        return
    payload = loaded.serving.a_payload()
    client.ask_on(
        connection, "POST", INVOCATIONS, seconds=seconds,
        body=Path(payload.body).read_bytes(), headers=request_headers(payload),
    )  # fmt: skip


def _answered(ask: Callable[[], Answer]) -> bool:
    try:
        ask()
    except Broken:
        return False
    return True


@check("SERVE-15", under_load)
def connection_is_kept(loaded: Loaded) -> None:
    """50 requests on one connection, two bodies in turn: all 200, each with its own answer.

    The server may close the connection between two requests.
    """
    payload = loaded.need_sample()
    client = loaded.serving.client
    found = parallel.steady(loaded.serving.payloads, loaded.serving.post)[:2]
    sample = Path(payload.body).read_bytes()
    turns = [(each.body, each.like) for each in found] or [(sample, payload)]
    with client.connected(INVOCATION_SECONDS) as connection:
        for number in range(KEPT_ALIVE):
            body, like = turns[number % len(turns)]
            ask = partial(
                client.ask_on, connection, "POST", INVOCATIONS,
                seconds=INVOCATION_SECONDS, body=body, headers=request_headers(like),
            )  # fmt: skip
            answer = _again(ask, connection, number)
            if answer.status != OK:
                raise Broken(f"request {number + 1} on one connection got {answer.shown()}")
            if found:
                evidence = f"request {number + 1} on one connection got {answer.shown()}"
                parallel.blame(found[number % len(found)], answer, loaded.serving.post, evidence)


def _again(ask: Callable[[], Answer], connection: HTTPConnection, number: int) -> Answer:
    """The answer; retried once on a new connection if this one has been closed meanwhile."""
    try:
        return ask()
    except Broken as error:
        if number == 0 or not isinstance(error.__cause__, ConnectionError):
            raise Broken(f"request {number + 1} on one connection: {error}") from error
        connection.close()
        return ask()


@check("SERVE-06", under_load)
def no_answer_is_cut(loaded: Loaded) -> None:
    """Nothing but line ends follows the end of an answer, as its Content-Length says."""
    payload = loaded.need_sample()
    if surplus := after_the_answer(loaded.serving, payload):
        raise Broken(
            f"POST {INVOCATIONS} {_more(surplus)}: clients get a cut answer, and on a connection "
            "that stays open the rest begins the next one"
        )


@check("SERVE-02", under_load)
def no_ping_spoils_its_connection(loaded: Loaded) -> None:
    """Nothing but line ends follows the end of an answer to GET /ping."""
    loaded.need_life()
    if surplus := after_the_answer(loaded.serving):
        raise Doubtful(
            f"GET /ping {_more(surplus)}: on a connection that stays open these begin the next "
            "answer"
        )


def _more(surplus: bytes) -> str:
    return (
        f"sends {len(surplus)} bytes more than the Content-Length of its answer says, "
        f"{surplus[:40]!r}"
    )
