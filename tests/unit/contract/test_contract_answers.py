"""What once passed and should not have, or was blamed without cause: answers of servers."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from buildkit.contract import causes, checks, logs, machine
from buildkit.contract.checks import Broken, Doubtful, Judged, Partly, TooBusy, Unseen
from buildkit.contract.endpoints import asynchronous, batch
from buildkit.contract.engine import Line, Process
from buildkit.contract.hosting import (
    bodies,
    client,
    content,
    kept_alive,
    load,
    parallel,
    reference_server,
    request_rules,
    serving,
    starting,
)
from buildkit.contract.hosting.client import Answer, Health, HttpClient
from buildkit.contract.hosting.server import Serving
from buildkit.contract.hosting.traffic import Loaded
from buildkit.contract.jobs.endings import Ending
from buildkit.contract.machine import Machine
from buildkit.contract.scenario import Bench, Scenario
from buildkit.contract.scripts import handlers
from buildkit.contract.signs import Sign
from buildkit.model.image import Status
from buildkit.model.target import Payload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from buildkit.contract.checks import Check


def verdict(check: Check[Any], observed: object) -> str:
    try:
        check.judge(observed)
    except (Broken, Doubtful, Unseen) as error:
        return f"{type(error).__name__}: {error}"
    return "pass"


def answer(body: bytes, status: int = 200, kind: str = "application/json", **facts: Any) -> Answer:
    return Answer(status=status, content_type=kind, body=body, **facts)


def test_what_an_answer_lacks_is_said() -> None:
    assert answer(b"1", kind="").shown() == "200 without a Content-Type: '1'"
    assert answer(b"").shown() == "200 application/json: an empty body"
    moved = answer(b"", 307, headers={"location": "/invocations/"})
    assert moved.shown() == "307, which redirects to /invocations/"


GOOD = (answer(b'{"predictions": [1]}'), answer(b"1\n2", kind="text/csv"))


@pytest.mark.parametrize(
    ("found", "is_friendly"),
    [
        (answer(b'{"error": "no JSON"}'), True),
        (answer(b'{"message": "no JSON"}'), True),
        (answer(b"cannot read this", kind="text/plain"), True),
        (answer(b'{"predictions": []}'), False),
        (answer(b"3", kind="text/csv"), False),
        (answer(b"nan", kind="text/csv"), False),
        (answer(b"", kind="text/csv"), False),
        (answer(b"no", status=400), False),
    ],
)
def test_an_error_that_says_200_is_unlike_every_good_answer(
    found: Answer, is_friendly: bool
) -> None:
    assert bool(content.friendly(found, GOOD)) is is_friendly
    assert content.friendly(found, ()) == ""


@dataclass(frozen=True, kw_only=True)
class Client(HttpClient):
    """Answers by a function of the body."""

    host: str = ""
    port: int = 0
    reply: Callable[[bytes], Answer]

    def ask(self, method: str, path: str, **arguments: Any) -> Answer:
        if path == "/execution-parameters":
            return answer(b"", 404)
        return self.reply(arguments.get("body") or b"")


def server(reply: Callable[[bytes], Answer], *payloads: Payload, **facts: Any) -> Serving:
    container: Any = SimpleNamespace(
        wait=lambda _seconds: facts.get("exit_code"),
        ended_by=lambda: facts.get("ended_by", ""),
        logs=lambda: "",
        lines=lambda: tuple(Line(at=0.0, text=text) for text in facts.get("lines", ())),
        now=lambda: facts.get("now", 9.0),
        execute=lambda _cat, path, *_more: (0, facts.get(path, facts.get("table", ""))),
        processes=lambda: tuple(
            Process(pid=1, state="S", command=each) for each in facts.get("commands", ())
        ),
    )
    health = Health(after=1.0, last=answer(b""))
    return Serving(
        container=container,
        machine=Machine(engine=SimpleNamespace(), image="demo"),
        client=Client(reply=reply),
        refusal=None,
        health=facts.get("health", health),
        exit_code=None,
        payloads=payloads,
    )


@pytest.fixture
def rows(tmp_path: Path) -> Payload:
    (tmp_path / "rows.csv").write_text("1,2\n3,4\n5,6\n")
    return Payload(content_type="text/csv", body=str(tmp_path / "rows.csv"))


def sums(body: bytes) -> Answer:
    cells = [line.split(b",") for line in body.splitlines() if line]
    texts = [str(sum(float(cell or 0) for cell in row)) for row in cells]
    return answer("\n".join(texts).encode(), kind="text/csv")


def without_repeats(body: bytes) -> Answer:
    return sums(b"\n".join(dict.fromkeys(body.splitlines())))


def without_gaps(body: bytes) -> Answer:
    kept = [line for line in body.splitlines() if all(line.split(b","))]
    return sums(b"\n".join(kept)) if kept else answer(b"", 400)


def refuses_gaps(body: bytes) -> Answer:
    whole = all(all(line.split(b",")) for line in body.splitlines())
    return sums(body) if whole else answer(b"no", 400)


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (sums, "pass"),
        (refuses_gaps, "pass"),
        (
            without_repeats,
            "Broken: 6 lines of rows.csv (text/csv) with repeated records got 2 lines",
        ),
        (
            without_gaps,
            "Broken: 3 lines of rows.csv (text/csv) with an empty cell or null got 2 lines",
        ),
    ],
)
def test_no_record_is_lost(reply: Callable[[bytes], Answer], found: str, rows: Payload) -> None:
    assert verdict(batch.no_record_is_lost, server(reply, rows)).startswith(found)


@pytest.mark.parametrize(
    ("kept", "found"),
    [
        pytest.param(0, "pass", id="nothing"),
        pytest.param(1, "Doubtful: 8 requests left 8 new files behind", id="each body"),
        pytest.param(2, "Doubtful: 8 requests left 16 new files behind", id="two of each"),
    ],
)
def test_files_that_requests_leave_behind(kept: int, found: str, rows: Payload) -> None:
    there = ["/tmp"]

    def keep(body: bytes) -> Answer:
        there.extend([f"/tmp/{len(there) + number}" for number in range(kept)])
        return sums(body)

    keeps = server(keep, rows)
    keeps.container.changes = lambda: tuple(there)  # type: ignore[method-assign]
    assert verdict(batch.leaves_nothing_behind, keeps).startswith(found)


def test_files_that_only_the_first_requests_leave_are_a_cache(rows: Payload) -> None:
    compiled = tuple(f"/app/{number}.pyc" for number in range(20))
    found = iter([(), compiled, compiled, compiled])
    warms = server(sums, rows)
    warms.container.changes = lambda: next(found)  # type: ignore[method-assign]
    assert verdict(batch.leaves_nothing_behind, warms) == "pass"


def test_a_slow_sample_is_not_sent_often(rows: Payload) -> None:
    slow = server(lambda _body: answer(b"1", seconds=3), rows)
    assert verdict(batch.leaves_nothing_behind, slow).startswith("Unseen: a request takes 3 s")
    bad = server(lambda _body: answer(b"", 500), rows)
    assert verdict(batch.leaves_nothing_behind, bad).startswith("Unseen: the first sample")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        pytest.param(b"73ipo application/jsonlines\n", "pass", id="the variable"),
        pytest.param(b'"73ipo application/jsonlines"\n', "pass", id="the text as JSON"),
        pytest.param(b'"73ipo application\\/jsonlines"', "pass", id="with escaped slashes"),
        pytest.param(b"73ipo application/json", "Broken", id="a type of its own"),
        pytest.param(b"73ipo None", "Broken", id="nothing"),
        pytest.param(b"3", "Unseen", id="output_fn was not called: ITK-04 reports it"),
    ],
)
def test_the_default_type_reaches_output_fn(body: bytes, found: str) -> None:
    asked: list[object] = []

    def reply(sent: bytes) -> Answer:
        asked.append(sent)
        return answer(body, kind="text/plain")

    served = server(reply, lines=[handlers.IMPORTED])
    assert verdict(handlers.passes_the_default_type_on, served).startswith(found)
    assert asked == [b"3"]
    unread = server(reply)
    assert verdict(handlers.passes_the_default_type_on, unread).startswith("Unseen")
    assert "73ipo" in handlers.STEPPED.decode()


@pytest.mark.parametrize(
    ("kind", "body", "made"),
    [
        ("text/csv", b"1,a\n", [b"2,a", b"3,a", b"4,a", b"5,a"]),
        ("text/csv", b"1\n2\n", [b"1", b"2", b"2\n3", b"3\n4"]),
        ("application/json", b'{"a": [1], "b": true}', [b'{"a": [2], "b": true}']),
        ("image/png", b"\x89PNG", []),
        ("application/json", b"{", []),
    ],
)
def test_other_bodies_are_made_of_a_sample(kind: str, body: bytes, made: list[bytes]) -> None:
    assert bodies.others(kind, body)[: len(made)] == made
    assert bool(bodies.others(kind, body)) is bool(made)


@pytest.mark.parametrize(
    ("kind", "record", "found"),
    [
        ("text/csv", b"1,2", b"1,"),
        ("text/csv", b"1", None),
        ("application/jsonlines", b'{"a": 1, "b": 2}', b'{"a": 1, "b": null}'),
        ("application/jsonlines", b"[1, 2]", b"[1, null]"),
        ("application/jsonlines", b"1", None),
    ],
)
def test_a_record_with_a_gap(kind: str, record: bytes, found: bytes | None) -> None:
    assert bodies.emptied(kind, record) == found


class Shared:
    """Keeps what it was asked in one place for all, and answers when both have asked."""

    def __init__(self) -> None:
        self.body = b""
        self.both = threading.Barrier(2, timeout=0.2)

    def __call__(self, body: bytes) -> Answer:
        self.body = body
        try:
            self.both.wait()
        except threading.BrokenBarrierError:
            self.both.reset()
        return sums(self.body)


def test_an_answer_to_somebody_else_is_seen(rows: Payload) -> None:
    kept = server(Shared(), rows)
    found = parallel.steady([rows], kept.post)
    with pytest.raises(Broken, match="the answer to another of the requests"):
        parallel.not_mixed_up(found, 2, kept.post)
    own = server(sums, rows)
    parallel.not_mixed_up(parallel.steady([rows], own.post), 4, own.post)


class Last:
    """Keeps the last answer in one place for all, and is a moment later in giving it."""

    kept = answer(b"")

    def __call__(self, body: bytes) -> Answer:
        self.kept = sums(body)
        time.sleep(0.01)
        return self.kept


@pytest.mark.parametrize("_time", range(5))
def test_an_answer_to_somebody_else_is_seen_each_time(rows: Payload, _time: int) -> None:
    """The one that is asked again alone has to be alone: else its answer only seems to change."""
    loaded = Loaded(serving=server(Last(), rows), first=answer(b"1"))
    found = verdict(load.no_client_gets_another_s_answer, loaded)
    assert found.startswith("Broken: in parallel with other requests")
    told = checks.run(load.answers_are_not_mixed_up, loaded)
    assert told.status is Status.WARN
    alone, follower = causes.named([checks.run(load.no_client_gets_another_s_answer, loaded), told])
    assert (alone.status, follower.message) == (Status.FAIL, "not judged: see SERVE-06")
    assert "lock" in alone.result.hint


def test_an_answer_that_is_nobody_s_is_no_exchange(rows: Payload) -> None:
    """Text that is generated for many at once may differ a little."""
    busy = threading.Lock()

    def together(body: bytes) -> Answer:
        if not busy.acquire(blocking=False):
            return answer(b"77777")
        try:
            time.sleep(0.01)
            return sums(body)
        finally:
            busy.release()

    loaded = Loaded(serving=server(together, rows), first=answer(b"1"))
    assert verdict(load.answers_are_not_mixed_up, loaded).startswith("Broken")
    assert verdict(load.no_client_gets_another_s_answer, loaded).startswith("Unseen")


PING = '172.17.0.1 - - [30/Nov/2026 03:00:00] "GET /ping HTTP/1.1" 200 -'


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        (["ValueError: no", PING, PING], ["ValueError: no"]),
        ([PING, ""], [PING, ""]),
        (['"GET /ping HTTP/1.1" 503 -', PING], ['"GET /ping HTTP/1.1" 503 -']),
        (["INFO GET /ping 200 0ms", "POST /invocations 500"], ["POST /invocations 500"]),
    ],
)
def test_last_lines_hold_none_about_ping_where_there_are_others(
    lines: list[str], kept: list[str]
) -> None:
    assert logs.without_pings(lines) == kept
    assert logs.last_lines("\n".join(lines)).splitlines()[1:] == [each for each in kept if each]
    fake: Any = SimpleNamespace(
        lines=lambda: [Line(at=0.0, text=text) for text in [*lines, *[PING] * 50]],
        logs=lambda: PING,
    )
    log = replace(server(sums), container=fake).log
    assert (PING in log) is (kept == lines)


def test_answers_that_change_or_are_all_the_same_are_not_compared(rows: Payload) -> None:
    count = iter(range(10**6))
    for reply in (lambda _body: answer(b"%d" % next(count)), lambda _body: answer(b"1")):
        loaded = Loaded(serving=server(reply, rows), first=answer(b"1"))
        assert verdict(load.answers_are_not_mixed_up, loaded).startswith("Unseen")


def test_one_connection_gives_each_body_its_own_answer(
    rows: Payload, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def connected(_self: object, _seconds: float) -> Iterator[object]:
        yield SimpleNamespace(close=lambda: None)

    first: list[bytes] = []

    def cached(_self: object, _connection: object, *_request: str, **facts: Any) -> Answer:
        first.append(facts["body"])
        return sums(first[0])

    monkeypatch.setattr(Client, "connected", connected)
    monkeypatch.setattr(Client, "ask_on", cached)
    loaded = Loaded(serving=server(sums, rows), first=answer(b"1"))
    assert "request 2 on one connection" in verdict(kept_alive.connection_is_kept, loaded)


@pytest.mark.parametrize(("most", "found"), [(2000, "pass"), (1000, "Broken"), (200, "Broken")])
def test_each_header_comes_as_long_as_the_api_allows(
    most: int, found: str, rows: Payload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(_self: object, _method: str, _path: str, **facts: Any) -> Answer:
        too_long = any(len(text) > most for text in facts["headers"].values())
        return answer(b"", 431) if too_long else answer(b"1")

    monkeypatch.setattr(Client, "ask", ask)
    loaded = Loaded(serving=server(sums, rows), first=answer(b"1"))
    assert verdict(request_rules.headers_are_tolerated, loaded).startswith(found)
    assert {len(text) for text in request_rules.LONGEST.values()} == {63, 64, 1020, 1024}


def test_a_friendly_error_is_a_doubt(rows: Payload) -> None:
    def kind(body: bytes) -> Answer:
        try:
            return sums(body)
        except ValueError:
            return answer(b'{"error": "cannot read this"}')

    loaded = Loaded(serving=server(kind, rows), first=answer(b"1"))
    assert verdict(request_rules.errors_do_not_say_200, loaded).startswith("Doubtful")
    any_body = Loaded(serving=server(lambda _body: answer(b"0.0"), rows), first=answer(b"0.0"))
    assert "gets an answer like a sample's" in verdict(
        request_rules.errors_do_not_say_200, any_body
    )

    def refuses(body: bytes) -> Answer:
        try:
            return sums(body)
        except ValueError:
            return replace(answer(b"no number"), status=400)

    good = Loaded(serving=server(refuses, rows), first=answer(b"1"))
    assert verdict(request_rules.errors_do_not_say_200, good) == "pass"


@pytest.mark.parametrize(
    ("kind", "sample", "strict"),
    [
        ("application/json", b'{"instances": [[1]]}', True),
        ("application/json; charset=utf-8", b"[1]", True),
        ("application/json", b"words", False),
        ("text/csv", b"1,2\n", True),
        ("text/csv", b"1,red\n", False),
        ("text/plain", b"1", False),
        ("image/png", b"\x89PNG", False),
    ],
)
def test_only_some_kinds_of_samples_make_garbage_unreadable(
    kind: str, sample: bytes, strict: bool
) -> None:
    """Any bytes may be a text or an image to a server."""
    assert content.is_strict(kind, sample) is strict


def test_no_sample_is_no_comparison(rows: Payload) -> None:
    without = Loaded(serving=server(sums), first=None)
    assert verdict(request_rules.errors_do_not_say_200, without).startswith("Unseen")
    confessing = server(lambda _body: answer(b'{"error": "no model"}'), rows)
    assert verdict(serving.invocations_answer, confessing).startswith("Doubtful")


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"error": "no"}', "error"),
        (b'{"Exception": {"type": "x"}}', "Exception"),
        (b'{"error": 0.1, "prediction": 2}', ""),  # a measure of the model's
        (b'{"error": null, "prediction": 2}', ""),
        (b'["error"]', ""),
        (b"error", ""),
    ],
)
def test_an_answer_confesses_by_its_key(body: bytes, key: str) -> None:
    assert content.confesses(body) == key


def test_a_server_that_is_gone_is_said_to_be(rows: Payload) -> None:
    def breaks(_body: bytes) -> Answer:
        raise Broken("POST /invocations got no whole answer: Remote end closed connection")

    killed = server(breaks, rows, exit_code=137, ended_by="the kernel ended it: out of memory")
    with pytest.raises(Broken, match=r"the server ended with 137 \(the kernel ended it: out of"):
        killed.invoke(rows)
    with pytest.raises(Broken, match="connection: the kernel ended it: out of memory"):
        server(breaks, rows, ended_by="the kernel ended it: out of memory").invoke(rows)


def test_a_request_without_an_answer_shows_what_the_server_said(rows: Payload) -> None:
    def breaks(_body: bytes) -> Answer:
        raise Broken("POST /invocations got no whole answer: reset", Sign.NOT_WHOLE)

    found = checks.run(serving.invocations_answer, server(breaks, rows, lines=["KeyError: 'age'"]))
    assert found.message.endswith("; its last lines:\nKeyError: 'age'")
    assert "fix the error that the last lines name" in found.result.hint


@pytest.mark.parametrize(
    ("seconds", "lost", "slowdown", "found"),
    [
        (0.9, True, 1.0, "Doubtful"),
        (0.9, False, 1.0, "pass"),
        (0.1, True, 1.0, "pass"),
        (0.9, True, 20.0, "Unseen: this machine is 20 times slower than an idle one"),
    ],
)
def test_a_request_in_flight_is_finished(
    seconds: float,
    slowdown: float,
    found: str,
    rows: Payload,
    monkeypatch: pytest.MonkeyPatch,
    *,
    lost: bool,
) -> None:
    gone = threading.Event()

    def reply(_body: bytes) -> Answer:
        if threading.current_thread() is not threading.main_thread():
            gone.wait()
            if lost:
                raise Broken("POST /invocations got no whole answer: reset")
        return answer(b"1", seconds=seconds)

    def stop(_serving: Serving) -> Ending:
        gone.set()
        return Ending(exit_code=0)

    monkeypatch.setattr(starting, "stopped", stop)
    monkeypatch.setattr(Machine, "slowdown", lambda _machine: slowdown)
    monkeypatch.setattr(load, "traffic", lambda _loaded: nullcontext())
    loaded = Loaded(serving=server(reply, rows), first=answer(b"1"))
    assert verdict(load.stops_while_answering, loaded).startswith(found)


TABLE = "  sl  local_address rem_address st\n   0: 00000000:1F90 00000000:0000 0A\n"


WORKER = "[CRITICAL] WORKER TIMEOUT (pid:8)"


LATE = Broken("GET /ping got no answer in 34 s", Sign.PING, Sign.NO_ANSWER)
HALF = Broken("GET /ping got no whole answer: HTTP/0.9", Sign.PING, Sign.NOT_WHOLE)


@pytest.mark.parametrize(
    ("error", "table", "found"),
    [
        (LATE, TABLE, "Unseen"),
        (HALF, TABLE, "Broken"),
        (LATE, TABLE.replace("1F90", "1388"), "Broken"),
        (LATE, "", "Broken"),
    ],
)
def test_an_address_that_is_right_is_not_blamed(error: Broken, table: str, found: str) -> None:
    health = Health(after=None, last=None, error=error, waited=34)
    silent = server(sums, table=table, health=health)
    assert verdict(serving.answers_on_its_port, silent).startswith(found)
    never = verdict(serving.healthy_in_time, silent)
    assert never.count("GET /ping") == 1
    listens = "something listens on port 8080 and accepts connections, but does not answer"
    assert (f"in 34 s: {listens}; the last request got no answer" in never) is (error is LATE)
    assert "; the last request got no" in never


def test_a_worker_that_is_killed_while_it_loads_is_named_with_its_cure() -> None:
    health = Health(after=None, last=None, error=HALF, waited=240)
    killed = server(sums, table=TABLE, health=health, lines=[WORKER, *("line " * 40).split()])
    assert verdict(serving.answers_on_its_port, killed).startswith("Unseen")
    found = checks.run(serving.healthy_in_time, killed)
    assert WORKER in found.message
    assert "--preload" in found.result.hint


ENVIRONMENT = "A=--timeout 7\0GUNICORN_CMD_ARGS=--log-level info --timeout 10\0B=-t 8"


@pytest.mark.parametrize(
    ("command", "environment", "limit"),
    [
        ("gunicorn app:app", ENVIRONMENT, "its time-out of 10 s"),
        ("python3 -m gunicorn --timeout=20 app:app", ENVIRONMENT, "its time-out of 20 s"),
        ("gunicorn -t15 app:app", "", "its time-out of 15 s"),
        ("gunicorn -t 15 app:app", "", "its time-out of 15 s"),
        ("gunicorn: master [app:app]", "", "its time-out"),
        ("timeout -t 5 serve", "A=--timeout 7", "its time-out"),
    ],
)
def test_the_time_out_of_gunicorn_comes_first(
    command: str,
    environment: str,
    limit: str,
    rows: Payload,
) -> None:
    facts: dict[str, Any] = {
        "/proc/1/environ": environment,
        "commands": ["sh", command],
        "lines": [WORKER, *("line " * 40).split()],
        "now": 0.0,
    }
    cause = f"gunicorn killed a worker that was busy for longer than {limit} (WORKER TIMEOUT): "
    health = Health(after=None, last=answer(b"", 500), waited=240)
    never = checks.run(serving.healthy_in_time, server(sums, health=health, **facts))
    assert never.message.startswith(f"{cause}GET /ping never answered 200")
    modelless = replace(server(sums, health=health, **facts), modelless=True)
    skipped = verdict(serving.healthy_in_time, modelless)
    assert skipped.startswith("Unsampled: no model is declared, and without one GET /ping answered")
    assert "it said '[CRITICAL] WORKER TIMEOUT (pid:8)'" in skipped
    fails = checks.run(
        serving.invocations_answer, server(lambda _: answer(b"", 502), rows, **facts)
    )
    assert fails.message.startswith(f"{cause}POST /invocations")
    assert "--worker-class gthread" in fails.result.hint

    def breaks(_body: bytes) -> Answer:
        raise Broken("POST /invocations got no whole answer: reset")

    with pytest.raises(Broken) as caught:
        server(breaks, rows, **facts).invoke(rows)
    assert str(caught.value).startswith(f"{cause}POST /invocations got")
    unharmed = verdict(
        serving.healthy_in_time, server(sums, health=health, **{**facts, "lines": []})
    )
    assert "gunicorn" not in unharmed


@pytest.mark.parametrize(
    ("now", "status", "blamed"), [(0.0, 502, True), (0.0, 500, False), (9.0, 502, False)]
)
def test_gunicorn_is_blamed_only_for_the_request_in_which_it_killed_a_worker(
    now: float, status: int, blamed: bool, rows: Payload
) -> None:
    """The engine's clock counts: that of this machine may be years ahead of it."""
    answers = server(lambda _: answer(b"KeyError: 'age'", status), rows, lines=[WORKER], now=now)
    found = checks.run(serving.invocations_answer, answers)
    assert found.message.startswith("gunicorn killed a worker") is blamed
    assert ("--worker-class gthread" in found.result.hint) is blamed


def test_gunicorn_is_not_blamed_for_a_lost_answer_after_it_killed_a_worker(rows: Payload) -> None:
    def breaks(_body: bytes) -> Answer:
        raise Broken("POST /invocations got no whole answer: reset")

    with pytest.raises(Broken, match="^POST /invocations got no whole answer: reset$"):
        server(breaks, rows, lines=[WORKER]).invoke(rows)


def test_a_worker_that_is_killed_in_a_large_request_is_named_with_its_cure(
    rows: Payload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "exchange", lambda *_: SimpleNamespace(timed_out=True))
    monkeypatch.setattr(asynchronous, "_send", lambda *_: (None, "reset"))
    monkeypatch.setattr(asynchronous, "pinged", lambda _serving: nullcontext([]))
    killed = server(sums, rows, lines=[WORKER], now=0.0)
    loaded = Loaded(serving=killed, first=answer(b"1"))
    for found in (
        checks.run(load.samples_are_quick, loaded),
        checks.run(asynchronous.takes_a_gigabyte, killed),
    ):
        assert found.message.startswith("gunicorn killed a worker")
        assert "--worker-class gthread" in found.result.hint


UNIX = """Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 23232 /tmp/g.sock
0000000000000000: 00000003 00000000 00000000 0001 03 23233 /tmp/other
0000000000000000: 00000002 00000000 00010000 0001 01 23234
"""
NOWHERE = "  sl  local_address rem_address st\n"


@pytest.mark.parametrize(
    ("line", "bound"),
    [
        ("[INFO] Listening at: unix:/tmp/g.sock (8)", True),
        ("[INFO] Listening at: http://127.0.0.1:1,unix:/tmp/g.sock (8)", True),
        ("Uvicorn running on unix socket /tmp/g.sock (Press CTRL+C to quit)", True),
        ("[INFO] Listening at: unix:/tmp/other.sock (8)", False),
        ("loading the model from /tmp/g.sock", False),
    ],
)
def test_a_unix_socket_is_blamed_only_if_the_server_serves_on_it(line: str, bound: bool) -> None:
    refused = Broken("GET /ping got no whole answer: refused", Sign.PING, Sign.NOT_WHOLE)
    health = Health(after=None, last=None, error=refused, waited=240)
    found = checks.run(
        serving.answers_on_its_port,
        server(sums, table=NOWHERE, health=health, lines=[line], **{"/proc/net/unix": UNIX}),
    )
    assert "only on a unix socket: `/tmp/g.sock`" in found.message
    assert (Sign.LISTENS_ON_SOCKET in found.signs) is bound


def test_a_server_on_a_unix_socket_is_told_to_bind_a_port() -> None:
    refused = Broken("GET /ping got no whole answer: refused", Sign.PING, Sign.NOT_WHOLE)
    health = Health(after=None, last=None, error=refused, waited=240)
    facts: dict[str, Any] = {
        "table": NOWHERE, "health": health, "lines": ["[INFO] Listening at: unix:/tmp/g.sock (8)"],
    }  # fmt: skip
    found = checks.run(
        serving.answers_on_its_port, server(sums, **facts, **{"/proc/net/unix": UNIX})
    )
    said = "; nothing listens on a port, only on a unix socket: `/tmp/g.sock`; GET /ping got"
    assert said in found.message
    assert "gunicorn: `--bind 0.0.0.0:8080`" in found.result.hint
    nowhere = checks.run(serving.answers_on_its_port, server(sums, **facts))
    assert "; the server listens nowhere; " in nowhere.message
    assert "TLS" not in nowhere.result.hint
    table = TABLE.replace("1F90", "1388")
    port = server(sums, **{**facts, "table": table, "/proc/net/unix": UNIX})
    assert "unix socket" not in checks.run(serving.answers_on_its_port, port).message
    unknown = checks.run(serving.answers_on_its_port, server(sums, health=health, table=""))
    assert "TLS" in unknown.result.hint


def test_a_miss_is_told_once() -> None:
    def late(_body: bytes) -> Answer:
        raise Broken("GET /ping got no answer in 2 s")

    with pytest.raises(Broken) as caught:
        load._ping(Loaded(serving=server(late), first=None), "GET /ping (1 of 100)")
    assert str(caught.value) == "GET /ping (1 of 100) got no answer in 2 s, twice"


def test_tracebacks_that_the_suite_caused_are_left_out() -> None:
    log = [
        "serving",
        load.TRACED,
        '  File "x.py", line 1',
        "ConnectionResetError: [Errno 104] Connection reset by peer",
        load.TRACED,
        "ValueError: its own",
    ]
    assert load.own_words(log) == f"serving\n{load.TRACED}\nValueError: its own"


# Who is blamed, and how often.


def failed(clause: str, *signs: Sign) -> Judged:
    return checks.judged(clause, Broken(f"what {clause} saw", *signs))


def test_what_only_meets_the_cause_is_not_judged() -> None:
    cause = failed("SERVE-02", Sign.PING)
    first, follower = causes.named([cause, failed("SERVE-14", Sign.PING)])
    assert first == cause
    assert (follower.status, follower.message) == (Status.SKIP, "not judged: see SERVE-02")
    for other in (failed("SERVE-14"), failed("SERVE-13", Sign.PING)):
        assert causes.named([cause, other]) == (cause, other)
    under_load, passed = failed("SERVE-02"), checks.judged("SERVE-02", Partly())
    for before in (under_load, passed):
        assert causes.named([before, failed("SERVE-14", Sign.PING)])[1].status is Status.FAIL
    wrong, batch_too = failed("SERVE-06", Sign.WRONG_ANSWER), failed("BATCH-01", Sign.WRONG_ANSWER)
    assert causes.named([wrong, batch_too])[1].status is Status.SKIP
    assert causes.named([batch_too]) == (batch_too,)


def hindered(clause: str, *signs: Sign) -> Judged:
    return checks.judged(clause, Unseen("nothing to compare with", "", *signs))


def test_what_cannot_be_judged_names_the_broken_clause_that_hinders_it() -> None:
    trains, starts = failed("OUT-01", Sign.SAMPLES_FAIL), failed("RUN-01")
    waits, other = hindered("CFG-07", Sign.SAMPLES_FAIL), hindered("CFG-06")
    assert causes.named([waits, other]) == (waits, other)
    assert causes.named([trains, waits, other]) == (trains, caused("CFG-07", "OUT-01"), other)
    assert causes.named([starts, trains, waits])[2] == caused("CFG-07", "RUN-01")
    ends_well_without_channels = failed("OUT-01")
    assert causes.named([ends_well_without_channels, waits])[1] == waits
    serves = failed("SERVE-03")
    assert causes.named([serves, hindered("SERVE-11", Sign.UNHEALTHY)]) == (
        serves,
        caused("SERVE-11", "SERVE-03"),
    )
    busy = checks.judged("CFG-07", checks.TooBusy("9 s"))
    busy = replace(busy, signs=frozenset([Sign.SAMPLES_FAIL]))
    assert causes.named([trains, busy]) == (trains, busy)


def caused(clause: str, cause: str) -> Judged:
    return replace(checks.judged(clause, checks.Caused(cause)), cause=cause)


def test_a_clause_that_explains_why_training_fails_is_the_cause_of_all_that_follows() -> None:
    states, says_why = failed("OUT-01", Sign.SAMPLES_FAIL), failed("CFG-02", Sign.SAMPLES_EXPLAINED)
    waits = hindered("CFG-07", Sign.SAMPLES_FAIL)
    assert causes.named([states, says_why, waits]) == (
        replace(states, cause="CFG-02"),
        says_why,
        caused("CFG-07", "CFG-02"),
    )
    milder = replace(says_why, status=Status.WARN)
    assert causes.named([states, milder])[0] == states
    no_samples = failed("OUT-01")
    assert causes.named([no_samples, says_why])[0] == no_samples
    ends_well_without_channels = failed("OUT-01", Sign.FAILURE_UNSEEN)
    both = checks.merged([states, ends_well_without_channels])
    assert causes.named([both, says_why])[0] == both


def test_a_cause_with_a_cause_of_its_own_is_not_named() -> None:
    blocked = [failed(each, Sign.BLOCKED, Sign.UNHEALTHY) for each in ("OUT-03", "RUN-02")]
    found = causes.named([*blocked, hindered("SERVE-11", Sign.UNHEALTHY)])
    assert [each.cause for each in found] == ["", "OUT-03", "OUT-03"]


def test_a_milder_cause_hides_nothing_worse() -> None:
    mild = replace(failed("SERVE-02", Sign.PING), status=Status.WARN)
    worse = failed("SERVE-14", Sign.PING)
    assert causes.named([mild, worse]) == (mild, worse)


def test_no_code_reads_the_evidence() -> None:
    """The same words with another sign, or none, are another matter."""
    said = "after bad input GET /ping got no answer in 2 s"
    cause = checks.judged("SERVE-02", Broken("GET /ping got no answer in 2 s", Sign.PING))
    unsigned = checks.judged("SERVE-14", Broken(said))
    assert causes.named([cause, unsigned]) == (cause, unsigned)
    signed = checks.judged("SERVE-14", Broken("it is quiet", Sign.PING))
    assert causes.named([cause, signed])[1].status is Status.SKIP


@pytest.mark.parametrize(
    ("late", "accepts", "sign"),
    [
        (True, True, Sign.NO_ANSWER),
        (True, False, Sign.NO_CONNECTION),
        (False, True, Sign.NOT_WHOLE),
    ],
)
def test_a_ping_without_an_answer_has_the_signs_of_one(
    late: bool, accepts: bool, sign: Sign
) -> None:
    class Connection:
        sock = SimpleNamespace(shutdown=lambda _how: None) if accepts else None

        def connect(self) -> None:
            raise OSError("refused")

        def request(self, *_: object, **__: object) -> None:
            raise OSError("broken")

        def close(self) -> None:
            closed.append(True)

    closed: list[bool] = []
    asked = client.HttpClient(host="x", port=1)
    connection: Any = Connection()
    for path, wanted in (("/ping", (Sign.PING, sign)), ("/invocations", (sign,))):
        with pytest.raises(Broken) as caught:
            asked.ask_on(connection, "GET", path, seconds=0 if late else 60)
        assert caught.value.signs == wanted
    assert closed == [True, True]


def test_what_is_waited_for_is_told_beside_the_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Bench(subject=None, engine=None, kept=None)  # type: ignore[arg-type]
    scenario: Scenario[Any] = Scenario(title="`serve`", stage=lambda _bench: None)  # type: ignore[arg-type,return-value]
    stand.begin(scenario)
    assert stand.at_work(scenario) == "`serve`"
    stand.note("waiting for 200 from GET /ping: GET /ping answers 503")
    assert stand.at_work(scenario).endswith("answers 503")
    stand.begin(scenario)
    assert stand.at_work(scenario) == "`serve`"
    began = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: began + 11.5)
    assert stand.at_work(scenario) == "`serve` for 11 s"
    stand.note("waiting for 200 from GET /ping")
    monkeypatch.setattr(time, "monotonic", lambda: began + 71)
    assert stand.at_work(scenario) == "`serve` for 71 s, waiting for 200 from GET /ping"


def test_a_health_check_says_what_it_waits_for() -> None:
    answers = iter([answer(b"", 503), answer(b"")])
    told: list[str] = []
    client = Client(reply=lambda _body: next(answers))
    client.wait_for_health(10, lambda: True, told.append)
    assert told == ["waiting for 200 from GET /ping: GET /ping answers 503"]


def test_an_exhausted_machine_is_no_fault_of_an_image() -> None:
    container: Any = SimpleNamespace(start=lambda: "OCI runtime: Resource temporarily unavailable")
    with pytest.raises(TooBusy):
        machine.started(container)
    container = SimpleNamespace(start=lambda: "OCI runtime: no such file")
    assert machine.started(container) == "OCI runtime: no such file"


@pytest.mark.parametrize(
    ("odd_works", "plain_works", "found"),
    [
        ([True], True, "works"),
        ([False, True], True, "works"),
        ([False, False], True, "fails"),
        ([False, False], False, "busy"),
    ],
)
def test_a_server_is_blamed_for_a_condition_only_where_a_plain_one_works_beside_it(
    odd_works: list[bool], plain_works: bool, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = iter(odd_works)

    @contextmanager
    def served(_bench: object, **_facts: object) -> Iterator[bool]:
        yield plain_works

    @contextmanager
    def serve(_seconds: float | None) -> Iterator[Any]:
        yield next(results)

    monkeypatch.setattr(starting, "healthy", lambda _bench: 1.0)
    monkeypatch.setattr(starting, "served", served)
    monkeypatch.setattr(reference_server, "fault", lambda good: "" if good else "no")
    bench: Any = None
    if found == "busy":
        with pytest.raises(TooBusy):
            reference_server.tried(bench, serve)
    else:
        assert reference_server.tried(bench, serve) == ("" if found == "works" else "no")
