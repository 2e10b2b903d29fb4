"""How a worker distinguishes requests that it answers at once."""

from __future__ import annotations

import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import pytest
from buildkit_runtime import worker
from buildkit_runtime.worker import Worker, has_arrived, is_quick, linger
from gunicorn.workers.gthread import ThreadWorker

from tests.runtime.runtime_harness import RUNTIME


@pytest.mark.parametrize(
    ("start", "quick"),
    [
        pytest.param(b"GET /ping HTTP/1.1\r\n", True, id="ping"),
        pytest.param(b"POST /ping HTTP/1.1\r\n", True, id="posted ping"),
        pytest.param(b"GET /ping?x=1 HTTP/1.1\r\n", True, id="ping with a query"),
        pytest.param(b"GET /metrics HTTP/1.1\r\n", True, id="metrics"),
        pytest.param(b"GET /metrics?name=x HTTP/1.1\r\n", True, id="metrics with a query"),
        pytest.param(b"GET /pingpong HTTP/1.1\r\n", False, id="another path"),
        pytest.param(b"GET /metrics/x HTTP/1.1\r\n", False, id="a path below"),
        pytest.param(b"POST /models/ping HTTP/1.1\r\n", False, id="a model of that name"),
        pytest.param(b"POST /invocations HTTP/1.1\r\n\r\nGET /ping ", False, id="in the body"),
        pytest.param(b"GE", False, id="too little"),
        pytest.param(b"", False, id="nothing yet"),
    ],
)
def test_a_quick_request_is_known_by_its_first_bytes_and_they_stay(
    start: bytes, *, quick: bool
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(start)
        assert is_quick(ours) is quick
        theirs.shutdown(socket.SHUT_WR)
        assert ours.recv(100) == start


def test_a_request_has_arrived_with_its_first_byte_and_at_the_end_of_the_connection() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert not has_arrived(ours)
        theirs.sendall(b"G")
        assert has_arrived(ours)
        assert ours.recv(100) == b"G"
        theirs.close()
        assert has_arrived(ours)
        ours.close()
        assert has_arrived(ours)


def test_a_new_connection_waits_for_its_request_without_a_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As gunicorn 27 calls the worker: version 23 has neither the list nor the method."""
    submitted: list[Any] = []
    waiting: dict[Any, Any] = {}
    monkeypatch.setattr(
        ThreadWorker, "enqueue_req", lambda _, connection: submitted.append(connection)
    )
    worker = Worker.__new__(Worker)
    worker.keepalived_conns = []
    worker.on_client_socket_readable = lambda connection, _: worker.enqueue_req(connection)
    worker.poller = SimpleNamespace(register=lambda sock, _, ready: waiting.update({sock: ready}))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = SimpleNamespace(sock=ours, initialized=False, set_timeout=lambda: None)
        worker.enqueue_req(connection)
        assert (submitted, worker.keepalived_conns, [*waiting]) == ([], [connection], [ours])
        theirs.sendall(b"GET /ping HTTP/1.1\r\n\r\n")
        waiting[ours](ours)
        assert submitted == [connection]
        assert connection.data_ready


@pytest.mark.parametrize(
    ("result", "ends"),
    [
        pytest.param(False, True, id="to be closed"),
        pytest.param(True, False, id="for another request"),
        pytest.param((False, "connection"), False, id="gunicorn 23"),
    ],
)
def test_the_thread_that_accepts_connections_never_waits_for_a_client_to_close(
    monkeypatch: pytest.MonkeyPatch, result: object, *, ends: bool
) -> None:
    monkeypatch.setattr(ThreadWorker, "handle", lambda *_: result)
    monkeypatch.setattr(worker, "_LINGER_SECONDS", 0.05)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert Worker.__new__(Worker).handle(SimpleNamespace(sock=ours)) == result
        if ends:
            assert ours.recv(1, socket.MSG_DONTWAIT) == b""
        else:
            with pytest.raises(BlockingIOError):
                ours.recv(1, socket.MSG_DONTWAIT)


@pytest.mark.parametrize("size", [20_000, 60_000])
def test_a_client_that_still_sends_its_body_gets_the_whole_answer(size: int) -> None:
    """A connection that is closed with unread bytes is reset, and the answer is lost."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = socket.create_connection(server.getsockname())
        ours, _ = server.accept()

    def answer() -> None:
        with ours:
            ours.sendall(b"x" * 50_000)
            linger(ours)

    with theirs, ThreadPoolExecutor() as threads:
        answering = threads.submit(answer)
        for _ in range(10):
            theirs.sendall(b"y" * (size // 10))  # raises once the connection is reset
            time.sleep(0.01)
        theirs.shutdown(socket.SHUT_WR)
        answering.result()
        found = b""
        while part := theirs.recv(65536):
            found += part
    assert len(found) == 50_000


def test_a_client_that_never_closes_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_LINGER_SECONDS", 0.05)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        linger(ours)
        assert theirs.recv(1) == b""


def test_the_tests_have_the_server_of_the_images() -> None:
    """Of the Python that runs them."""
    found = []
    for line in (RUNTIME / "requirements.txt").read_text().splitlines():
        requirement, _, marker = line.partition("; ")
        old = marker in ("", 'python_version < "3.10"')
        new = marker in ("", 'python_version >= "3.10"')
        if new if sys.version_info >= (3, 10) else old:
            found.append(requirement)
    assert {f"{name}=={version(name)}" for name in ("gunicorn", "werkzeug")} <= {*found}
