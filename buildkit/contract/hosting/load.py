"""Clauses of hosting that only a server under load can break: times, concurrency, its end."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful, TooBusy, Unseen, check
from buildkit.contract.engine import End
from buildkit.contract.hosting import gunicorn, parallel, starting
from buildkit.contract.hosting.client import INVOCATION_SECONDS, OK, Answer
from buildkit.contract.hosting.server import outcome
from buildkit.contract.hosting.starting import STOP_SECONDS
from buildkit.contract.hosting.traffic import (
    Loaded,
    connect_seconds,
    exchange,
    listener,
    traffic,
    under_load,
)
from buildkit.contract.logs import last_lines
from buildkit.contract.signs import Sign

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildkit.model.target import Payload

PINGS = 100
PINGS_UNDER_LOAD = 20
CONNECTIONS = 20
CONNECT_SECONDS = 0.25
GIVEN_UP_SECONDS = 2.0
"""The longest wait for a connection."""
TRIES = 3
PARALLEL = 16
BAD_REQUESTS = 1000
BAD_SECONDS = 8
"""The time for bad requests."""
BAD_BODIES = (
    ("application/json", b'{"instances": [[1,'),
    ("application/x-nobody-knows", b"\x00\xff\xfe"),
    ("text/csv", b""),
    ("text/csv", b"no,such\nthing;\x00"),
)
PAUSE = 0.05
ZOMBIE_PAUSE = 0.2
ZOMBIE_SECONDS = 2
"""A zombie that exists for this time counts as not reaped."""
STATE = re.compile(r"^(\d+) \(.*\) ([A-Za-z]) (\d+) ", re.MULTILINE)
"""Process, state and parent of /proc/<pid>/stat."""
IN_FLIGHT_SECONDS = 0.5
TRACED = "Traceback (most recent call last)"
HUNG_UP = ("ConnectionResetError", "BrokenPipeError", "ConnectionAbortedError")
"""Begins the last line of a traceback that a disconnected client caused."""
LAST_LINES = 30
MOST_SLOWDOWN = 4
"""On a machine that is slower than this, a request may arrive much later than it is sent."""
SLOW_SECONDS = 0.5
"""A sample that takes longer can be interrupted during its answer."""
JVM_OPTION = "-XX:-UseContainerSupport"


@check("SERVE-07", under_load)
def samples_are_quick(loaded: Loaded) -> None:
    """The largest sample is answered within 60 s, within two tries."""
    loaded.need_life()
    loaded.serving.a_payload()
    content_type, body = loaded.sample
    began = time.monotonic()
    for _ in range(2):
        found = exchange(loaded.serving, body, content_type)
        if not found.timed_out:
            return
    cause, signs = gunicorn.killed(loaded.serving.container, time.monotonic() - began)
    raise Broken(
        f"{cause}the largest sample, {len(body)} bytes of {content_type}, got no answer in "
        f"{INVOCATION_SECONDS} s, twice{last_lines(loaded.serving.log)}",
        *signs,
    )


@check("SERVE-02", under_load)
def pings_all_answer(loaded: Loaded) -> None:
    """GET /ping 100 times, then 20 times while four clients send requests: 200, each in 2 s."""
    loaded.need_life()
    for number in range(PINGS):
        _ping(loaded, f"GET /ping ({number + 1} of {PINGS})", Sign.PING)
    with traffic(loaded):
        for _ in range(PINGS_UNDER_LOAD):
            _ping(loaded, "GET /ping while four clients send requests")
            time.sleep(PAUSE)


@check("SERVE-08", under_load)
def connections_are_accepted(loaded: Loaded) -> None:
    """20 connections while four clients send requests, each in 250 ms; a miss is retried."""
    loaded.need_life()
    where = loaded.serving.client.address
    slowest = 0.0
    with traffic(loaded), listener() as reference:
        for _ in range(TRIES):
            time.sleep(PAUSE)
            slowest = max(connect_seconds(where, CONNECTIONS, GIVEN_UP_SECONDS))
            if slowest < CONNECT_SECONDS:
                return
            here = max(connect_seconds(reference, CONNECTIONS, GIVEN_UP_SECONDS))
            if here > CONNECT_SECONDS / 2:
                raise TooBusy(f"a connection of this process to itself took {here:.2f} s")
    raise Broken(
        f"while four clients sent requests, one of {CONNECTIONS} connections took "
        f"{slowest * 1000:.0f} ms, in each of {TRIES} tries"
    )


@check("SERVE-15", under_load, decides=True)
def many_at_once(loaded: Loaded) -> None:
    """16 parallel requests, tried twice, are all answered with 200."""
    parallel.all_answered(PARALLEL, partial(loaded.serving.invoke, loaded.need_sample()))


@check("SERVE-15", under_load, gap="no two requests with different answers were seen")
def answers_are_not_mixed_up(loaded: Loaded) -> None:
    """Up to 1600 different bodies, 16 in parallel: each gets the same answer as alone."""
    _many_bodies(loaded)


@check("SERVE-06", under_load)
def no_client_gets_another_s_answer(loaded: Loaded) -> None:
    """Different bodies, 16 in parallel: none gets the answer to another of the requests."""
    try:
        _many_bodies(loaded)
    except Broken as error:
        if Sign.OF_ANOTHER in error.signs:
            raise
        raise Unseen("an answer in parallel differs from the answer alone (SERVE-15)") from error


def _many_bodies(loaded: Loaded) -> None:
    loaded.need_sample()
    ask = loaded.serving.post
    parallel.not_mixed_up(parallel.steady(loaded.serving.payloads, ask), PARALLEL, ask)


@check("SERVE-05", under_load)
def stays_up(loaded: Loaded) -> None:
    """The server still runs after the load and bad requests, 1000 or as many as fit into 8 s."""
    loaded.serving.need_health()
    began = time.monotonic()
    sent = 0
    while sent < BAD_REQUESTS and time.monotonic() - began < BAD_SECONDS:
        content_type, body = BAD_BODIES[sent % len(BAD_BODIES)]
        sent += 1
        with suppress(Broken):
            loaded.serving.send(body, {"Content-Type": content_type}, BAD_SECONDS)
        if sent % 100 == 0 and loaded.serving.container.wait(0) is not None:
            break
    container = loaded.serving.container
    exit_code = container.wait(0)
    if exit_code is not None:
        end = End(exit_code, container.ended_by())
        raise Broken(
            f"under load and bad requests the server ended {end}"
            f"{last_lines(own_words(line.text for line in container.lines()))}",
            *end.signs,
            Sign.ENDED,
        )


@check("RUN-11", under_load)
def children_are_reaped(loaded: Loaded) -> None:
    """After the load no child remains a zombie for 2 s, as a shell in the container sees /proc."""
    loaded.need_life()
    limit = loaded.serving.machine.limit(loaded.serving.container, ZOMBIE_SECONDS)
    zombies = _zombies(loaded)
    while zombies and not limit.expired():
        time.sleep(ZOMBIE_PAUSE)
        zombies &= _zombies(loaded)
    if zombies:
        raise Broken(f"process 1 left zombie processes: {len(zombies)}")


@check("IMG-10", under_load)
def java_counts_processors(loaded: Loaded) -> None:
    """A java process of the server has -XX:-UseContainerSupport on its command line."""
    loaded.need_life()
    found = [each.command for each in loaded.serving.container.processes()]
    java = [each for each in found if each.split(" ")[0].rpartition("/")[2] == "java"]
    if not java:
        raise Unseen("no java process runs in the server")
    for command in java:
        if JVM_OPTION not in command:
            raise Doubtful(f"the command line of java lacks {JVM_OPTION}: {command[:200]}")


@check("LOG-01", under_load)
def prints_something(loaded: Loaded) -> None:
    """The server has printed something on stdout or stderr after all of these requests."""
    loaded.serving.need_health()
    if not loaded.serving.log.strip():
        raise Broken("`serve` printed nothing, not even about bad requests")


@check("RUN-09", under_load)
def stops_while_answering(loaded: Loaded) -> None:
    """SIGTERM during requests ends the server within 30 s; a slow request gets its answer."""
    loaded.need_life()
    if isinstance(loaded.first, Answer) and loaded.first.seconds > STOP_SECONDS / 2:
        raise Unseen("a request takes too long to finish within the limit")
    slow = _slowest(loaded)
    with ThreadPoolExecutor(max_workers=1) as pool, traffic(loaded):
        last = pool.submit(outcome, partial(loaded.serving.invoke, slow[0])) if slow else None
        time.sleep(IN_FLIGHT_SECONDS if slow is None else slow[1] / 3)
        ending = starting.stopped(loaded.serving)
        lost = "" if last is None else last.result()
    if ending.killed:
        raise Broken(
            f"during requests, {ending.evidence}; the limit is {STOP_SECONDS} s"
            f"{last_lines(loaded.serving.log)}",
            *ending.signs,
        )
    if slow is not None and lost:
        if (slowdown := loaded.serving.machine.slowdown()) > MOST_SLOWDOWN:
            raise Unseen(
                f"this machine is {slowdown:.0f} times slower than an idle one: SIGTERM may have "
                "come before the request reached the server"
            )
        raise Doubtful(
            f"SIGTERM came during the request {Path(slow[0].body).name}, which takes "
            f"{slow[1]:.1f} s, and the request was lost: {lost}"
        )


def _slowest(loaded: Loaded) -> tuple[Payload, float] | None:
    """The slowest sample and its seconds, if it is slow enough to be interrupted."""
    found = []
    for payload in loaded.serving.payloads:
        with suppress(Broken):
            answer = loaded.serving.invoke(payload)
            if answer.status == OK and SLOW_SECONDS < answer.seconds < STOP_SECONDS / 3:
                found.append((payload, answer.seconds))
    return max(found, key=lambda each: each[1], default=None)


def own_words(lines: Iterable[str]) -> str:
    """The end of a log without the tracebacks of connections that the suite itself aborted."""
    kept: list[str] = []
    for line in lines:
        if line.startswith(HUNG_UP):
            begin = max((at for at, each in enumerate(kept) if TRACED in each), default=len(kept))
            del kept[begin:]
        else:
            kept.append(line)
    return "\n".join(kept[-LAST_LINES:])


def _ping(loaded: Loaded, asked: str, *signs: Sign) -> None:
    try:
        answer = loaded.serving.ping()
    except Broken as error:
        raise Broken(f"{asked} {str(error).removeprefix('GET /ping ')}, twice", *signs) from error
    if answer.status != OK:
        raise Broken(f"{asked} answered {answer.shown()}", *signs, *answer.signs)


def _zombies(loaded: Loaded) -> set[int]:
    """The zombies of process 1, as a shell sees them: engines do not list all. Raises Unseen."""
    _, evidence = loaded.serving.container.execute("sh", "-c", "cat /proc/[0-9]*/stat")
    found = STATE.findall(evidence)
    if not found:
        raise Unseen("the image has no shell to list processes with")
    return {int(pid) for pid, state, parent in found if state == "Z" and parent == "1"}
