"""Judgements on batch parameters and order, content types, streams, sessions, ports and models."""

from __future__ import annotations

import dataclasses
import itertools
import json
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any, cast

import pytest

from buildkit.contract import checks, listening
from buildkit.contract.checks import Broken, Doubtful
from buildkit.contract.endpoints import (
    batch,
    models,
    pipeline,
    sessions,
    streaming,
)
from buildkit.contract.endpoints.asynchronous import body
from buildkit.contract.endpoints.bidirectional import Talk
from buildkit.contract.engine import Line, Process
from buildkit.contract.hosting import bodies
from buildkit.contract.hosting.client import Answer
from buildkit.contract.hosting.content import judge_type
from buildkit.model.target import Payload


def answer(content: object, content_type: str = "application/json", status: int = 200) -> Answer:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Answer(status=status, content_type=content_type, body=text)


@pytest.mark.parametrize(
    "good",
    [
        answer(b"not found", "text/plain", 404),
        answer({}),
        answer(
            {"MaxConcurrentTransforms": 8, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}
        ),
        answer({"MaxPayloadInMB": 0, "MaxConcurrentTransforms": 1000}),
        answer({"MaxPayloadInMB": 100}, "application/json; charset=utf-8"),
    ],
)
def test_good_parameters_of_a_transform(good: Answer) -> None:
    batch.judge_parameters(good)


@pytest.mark.parametrize(
    "bad",
    [
        answer(b"<html>", "text/html"),
        answer("{“MaxPayloadInMB”: 6}".encode()),
        answer(b"[" * 100_000),
        answer([]),
        answer({"MaxPayloadInMB": True}),
        answer({"MaxPayloadInMB": 6.0}),
        answer({"MaxPayloadInMB": -1}),
        answer({"MaxPayloadInMB": 101}),
        answer({"MaxPayloadInMB": 50, "MaxConcurrentTransforms": 3}),
        answer({"BatchStrategy": "MultiRecord"}),
    ],
)
def test_bad_parameters_of_a_transform(bad: Answer) -> None:
    with pytest.raises(Broken):
        batch.judge_parameters(bad)


def test_records_are_lines_of_csv_and_json_lines_without_a_header() -> None:
    assert bodies.records("text/csv; charset=utf-8", b"1,2\r\n\n3,4\n") == [b"1,2", b"3,4"]
    assert bodies.records("application/jsonlines", b'{"a":1}\n{"a":2}') == [
        b'{"a":1}',
        b'{"a":2}',
    ]
    assert bodies.records("text/csv", b"name,age\nx,3\n") == []
    assert bodies.records("text/csv", b'"two\nlines",1\n') == []
    assert bodies.records("text/csv", b"a text\nanother\n") == [b"a text", b"another"]
    assert bodies.records("application/json", b"{}\n{}\n") == []


def test_a_final_newline_is_no_line() -> None:
    assert batch.lines(b"1\n2\n") == batch.lines(b"1\r\n2") == [b"1", b"2"]
    assert batch.lines(b"") == []
    assert len(batch.lines(b"1\n\n2")) == 3


def test_order_is_blamed_only_where_the_same_lines_stand_elsewhere() -> None:
    batch.judge_order([b"1.0000000001", b'{"a": 2}'], [b"1", b'{"a":2.0}'])
    with pytest.raises(Broken):
        batch.judge_order([b"2", b"1", b"3"], [b"1", b"2", b"3"])
    with pytest.raises(Doubtful):
        batch.judge_order([b"2", b"1.01", b"3"], [b"1", b"2", b"3"])


@pytest.mark.parametrize(
    ("content_type", "content", "seen"),
    [
        ("application/json", b"[1]", True),
        ("text/csv; charset=utf-8", b"1,2\n3,4", True),
        ("text/csv", b"4.5", True),
        ("application/jsonlines", b"1\n{}\n", True),
        ("text/html; charset=utf-8", b"<p>", True),
        ("application/x-own", b"{}", False),
    ],
)
def test_a_true_content_type(content_type: str, content: bytes, seen: bool) -> None:
    assert judge_type("x", answer(content, content_type)) is seen


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("", b"1"),
        ("application/json", b"1\n2"),
        ("text/csv", b'{"predictions": [1]}'),
        ("text/csv", b"\xff\xfe"),
        ("application/jsonlines", b"one\n"),
        ("text/html", b"4.5"),
        ("text/html; charset=utf-8", b"setosa"),
    ],
)
def test_a_content_type_that_lies(content_type: str, content: bytes) -> None:
    with pytest.raises(Broken):
        judge_type("x", answer(content, content_type))


def streamed(*parts: float, seconds: float, chunked: bool = True) -> str:
    headers = {"transfer-encoding": "chunked"} if chunked else {"content-length": "3"}
    return streaming.judge(
        Answer(
            status=200, content_type="", body=b"x", headers=headers, seconds=seconds,
            parts=tuple((at, 1) for at in parts),
        )
    )  # fmt: skip


def test_a_stream_comes_in_parts_that_are_apart() -> None:
    assert not streamed(0.1, 0.5, 0.9, seconds=1)
    assert "chunks" in streamed(0.1, 0.9, seconds=1, chunked=False)
    assert "at the end" in streamed(0.99, 1.0, seconds=1)
    assert "at the end" in streamed(5, 5.3, seconds=5.3)
    assert streaming.QUICK in streamed(0.01, 0.02, seconds=0.03)


NEW_ID = "X-Amzn-SageMaker-New-Session-Id"
NOW = datetime(2026, 11, 30, tzinfo=timezone.utc).timestamp()


def test_the_form_of_a_new_session() -> None:
    assert sessions.session_id(NEW_ID, "a-1; Expires=2999-01-31T00:00:00Z", now=NOW) == "a-1"
    for wrong in (
        "a-1",
        "-a; Expires=2999-01-31T00:00:00Z",
        "a_b; Expires=2999-01-31T00:00:00Z",
        "a; Expires=2999-02-31T00:00:00Z",
        "a; Expires=2999-01-31 00:00:00",
        f"{'a' * 257}; Expires=2999-01-31T00:00:00Z",
        f"{'-' * 5000}; Expires=2999-01-31T00:00:00Z",
    ):
        with pytest.raises(Broken):
            sessions.session_id(NEW_ID, wrong, now=NOW)
    with pytest.raises(Doubtful):
        sessions.session_id(NEW_ID, "a; Expires=2001-01-31T00:00:00Z", now=NOW)
    long_ago = 0.0
    assert sessions.session_id(NEW_ID, "a; Expires=2001-01-31T00:00:00Z", now=long_ago) == "a"


@pytest.mark.parametrize(
    ("name", "year", "found"),
    [
        pytest.param(NEW_ID, 2999, "pass", id="of the API model, and of AWS's hosting library"),
        pytest.param("X-Amzn-SageMaker-Session-Id", 2999, "pass", id="of AWS's older guide"),
        pytest.param(
            "X-Amzn-SageMaker-NewSessionId", 2999, "fail", id="the name in the SDK's answer"
        ),
        pytest.param(NEW_ID, 2001, "warn", id="over, by the engine's clock"),
    ],
)
def test_the_header_of_a_new_session(name: str, year: int, found: str) -> None:
    numbers = itertools.count()

    def invoke(_payload: Payload, _more: object) -> Answer:
        headers = {name.lower(): f"id-{next(numbers)}; Expires={year}-01-31T00:00:00Z"}
        return Answer(status=200, content_type="text/plain", body=b"open", headers=headers)

    payload = Payload(content_type="text/plain", body="open.txt")
    serving = SimpleNamespace(
        a_payload=lambda: payload,
        payloads=(payload,),
        invoke=invoke,
        container=SimpleNamespace(now=lambda: NOW),
    )
    assert checks.run(sessions.opens, cast("Any", serving)).status.value == found


PROC = """  sl  local_address rem_address   st tx_queue rx_queue
   0: 00000000:2329 00000000:0000 0A 00000000:00000000
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000
   2: 0B00007F:9999 00000000:0000 0A 00000000:00000000
   3: 0100007F:A000 0100007F:2329 01 00000000:00000000
   4: 00000000000000000000000000000000:2401 00000000000000000000000000000000:0000 0A 0
"""


def test_listening_ports_and_those_that_were_not_given() -> None:
    assert {port for _, port in listening.parsed(PROC)} == {9001, 8080, 9217}
    given = frozenset(("0.0.0.0", port) for port in (9001, 9101, 9010, 9199))
    assert pipeline.strangers(given) == []
    assert {port for _, port in pipeline.strangers(listening.parsed(PROC))} == {8080, 9217}


def test_ports_of_the_kernels_choice_meet_nobody() -> None:
    assert pipeline.is_ephemeral(("127.0.0.1", 41609))
    assert pipeline.is_ephemeral(("::1", 32768))
    assert not pipeline.is_ephemeral(("0.0.0.0", 41609))
    assert not pipeline.is_ephemeral(("127.0.0.1", 8500))


def test_a_page_of_models() -> None:
    one = {"modelName": "a", "modelUrl": "/opt/ml/models/a/model"}
    assert models.page(answer({"models": []})) == ({}, "")
    assert models.page(answer({"models": [one], "nextPageToken": "2"})) == (
        {"a": "/opt/ml/models/a/model"},
        "2",
    )
    wrongs: tuple[object, ...] = ([], {}, {"models": {}}, {"models": ["a"]}, {"models": [{"a": 1}]})
    for wrong in wrongs:
        with pytest.raises(Broken):
            models.page(answer(wrong))
    with pytest.raises(Broken):
        models.page(answer({"models": []}, status=404))


def test_a_large_body_is_a_sample_filled_up(tmp_path: object) -> None:
    path = f"{tmp_path}/sample"
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"1,2\n3,4")
    for content_type, filler in (
        ("text/csv", b"\n"),
        ("application/json", b" "),
        ("x/y", b"1,2\n3,4"),
    ):
        payload = Payload(content_type=content_type, body=path)
        whole = b"".join(body(payload, 3_000_001))
        assert len(whole) == 3_000_001
        assert whole.startswith(b"1,2\n3,4" + filler)


def test_a_talk_is_told_with_and_without_replies() -> None:
    assert Talk(replies=()).evidence == "no message"
    assert Talk(replies=(), ended="it was closed").evidence == "no message, and it was closed"
    assert Talk(replies=("a", b"b")).evidence == "2 messages, first 'a'"


def test_addresses_of_both_kinds_and_whether_others_reach_them() -> None:
    table = PROC + (
        "   5: 00000000000000000000000001000000:1F91 00000000000000000000000000000000:0000 0A 0\n"
    )
    assert ("127.0.0.1", 8080) in listening.parsed(table)
    assert ("::1", 8081) in listening.parsed(table)
    assert ("::", 9217) in listening.parsed(table)
    mapped = "   6: 0000000000000000FFFF00000100007F:1F92 00000000:0000 0A 0\n"
    assert ("127.0.0.1", 8082) in listening.parsed(PROC + mapped)
    assert listening.reaches(listening.parsed(table), 9217)
    assert not listening.reaches(listening.parsed(table), 8080)


@pytest.mark.parametrize(
    ("port", "busy", "patience", "settles"),
    [
        pytest.param(8080, 0.0, 60, True, id="on its port, where nobody else reaches it"),
        pytest.param(8080, 0.5, 60, False, id="the same, and it computes: its model may be large"),
        pytest.param(8080, 0.0, 90, False, id="the same, and the samples declare a long start"),
        pytest.param(9999, 0.0, 60, False, id="elsewhere: its own port may come with its model"),
        pytest.param(9001, 0.0, 60, False, id="where it is asked"),
    ],
)
def test_a_server_that_only_reaches_itself_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, port: int, busy: float, patience: float, *, settles: bool
) -> None:
    now = [0.0]
    monkeypatch.setattr("buildkit.contract.listening.time.monotonic", lambda: now[0])
    container = cast(
        "Any",
        SimpleNamespace(
            execute=lambda *_: (0, PROC),
            processor_seconds=lambda: 3.0 + busy * now[0],
            lines=list,
        ),
    )
    look = listening.settled_elsewhere(container, port, patience)
    seen = []
    for _ in range(80):
        now[0] += 1
        seen.append(look())
    assert any(seen) is settles
    assert not any(seen[:60])


SOCKETS = """Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 23232 /tmp/g.sock
"""
NO_PORT = "  sl  local_address rem_address st\n"
ASKED = f"{NO_PORT}   0: 00000000:2329 00000000:0000 0A 0\n"
TABLE = f"{NO_PORT}   0: 00000000:1F40 00000000:0000 0A 0\n"
TCP = ("gunicorn -b 0.0.0.0:8000 app", "gunicorn: worker [app]")
GUNICORN = ("gunicorn -b unix:/tmp/g.sock app", "gunicorn: worker [app]")


@dataclasses.dataclass
class OnSocket:
    """A server on a unix socket; `later` is its table of ports when it is read once more."""

    commands: tuple[str, ...]
    log: str = "Listening at: unix:/tmp/g.sock (1)"
    used: float = 0.0
    later: str = NO_PORT
    read: int = 0
    first: str = NO_PORT

    def execute(self, _cat: str, path: str, *_more: str) -> tuple[int, str]:
        if path == "/proc/net/unix":
            return 0, SOCKETS
        self.read += 1
        return 0, self.first if self.read == 1 else self.later

    def processes(self) -> list[Process]:
        return [Process(pid=1, state="S", command=each) for each in self.commands]

    def lines(self) -> list[Line]:
        return [Line(at=0.0, text=self.log)]

    def processor_seconds(self) -> float:
        self.used *= 2
        return self.used


@pytest.mark.parametrize(
    ("container", "seconds"),
    [
        pytest.param(OnSocket(GUNICORN, used=1.0), 5, id="only gunicorn, even if it computes"),
        pytest.param(OnSocket(("/bin/sh start", *GUNICORN)), None, id="a shell may start nginx"),
        pytest.param(OnSocket(("sh /opt/gunicorn-and-nginx.sh", *GUNICORN)), None, id="its name"),
        pytest.param(OnSocket(("python3 -m gunicorn -b x", GUNICORN[1])), 5, id="a module"),
        pytest.param(
            OnSocket(("/x/python3.11 /x/bin/uvicorn a",)), 5, id="through its interpreter"
        ),
        pytest.param(OnSocket(("/bin/sh start", *GUNICORN), used=1.0), None, id="it computes"),
        pytest.param(OnSocket(GUNICORN, log="ready"), None, id="the socket may be another's"),
        pytest.param(OnSocket(()), None, id="its processes are unknown"),
        pytest.param(OnSocket(GUNICORN, later=ASKED), None, id="a port was opened with it"),
        pytest.param(
            OnSocket(TCP, log="Listening at: http://0.0.0.0:8000 (1)", first=TABLE, later=TABLE),
            5,
            id="gunicorn on another port",
        ),
        pytest.param(
            OnSocket(
                ("uvicorn admin:app --port 8000", "uvicorn app:app --port 8080"),
                log="Uvicorn running on http://0.0.0.0:8000",
                first=TABLE,
                later=TABLE,
            ),
            None,
            id="the second server still loads its model",
        ),
        pytest.param(
            OnSocket(TCP, log="Uvicorn running on http://0.0.0.0:8000", first=TABLE, later=TABLE),
            5,
            id="uvicorn on another port",
        ),
        pytest.param(
            OnSocket(TCP, log="metrics on port 8000", first=TABLE, later=TABLE),
            None,
            id="gunicorn, whose application has opened a port before it",
        ),
    ],
)
def test_a_server_that_has_opened_all_of_its_sockets_is_not_waited_for(
    container: OnSocket, seconds: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("buildkit.contract.listening.time.monotonic", lambda: now[0])
    look = listening.settled_elsewhere(cast("Any", container), 9001)
    found = None
    while found is None and now[0] < 200:
        now[0] += 1
        found = now[0] if look() else None
    assert found == seconds
