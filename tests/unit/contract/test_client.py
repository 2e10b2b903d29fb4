"""HTTP to a container that means harm: every wait has an end."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from buildkit.contract.checks import Broken
from buildkit.contract.hosting.client import HttpClient
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def dripping(request: pytest.FixtureRequest) -> Iterator[HttpClient]:
    """A server that sends the given beginning, and then a byte from time to time, for ever."""
    server = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(1000)
            try:
                connection.sendall(request.param)
                while not ended.wait(0.05):
                    connection.sendall(b"x")
            except OSError:
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield HttpClient(host="127.0.0.1", port=server.getsockname()[1])
    finally:
        ended.set()
        thread.join()
        server.close()


@pytest.mark.parametrize(
    "dripping",
    [
        pytest.param(b"", id="status"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: ", id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", id="body without a length"),
    ],
    indirect=True,
)
def test_a_server_that_drips_is_left_in_time(dripping: HttpClient) -> None:
    began = time.monotonic()
    with pytest.raises(Broken, match="got no answer in 0 s"):
        dripping.ask("GET", "/ping", seconds=0.2)
    assert time.monotonic() - began < HANG / 2  # to the end of what drips it takes longer


@pytest.mark.parametrize(
    ("seconds", "patience", "healthy"),
    [pytest.param(0.1, HANG, True, id="slow"), pytest.param(HANG, 0.5, False, id="never")],
)
def test_a_ping_that_is_always_late_is_an_answer_all_the_same(
    monkeypatch: pytest.MonkeyPatch, seconds: float, patience: float, *, healthy: bool
) -> None:
    monkeypatch.setattr("buildkit.contract.hosting.client.PING_SECONDS", 0.05)

    class Late(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(seconds)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass

    with Server(("127.0.0.1", 0), Late) as server:
        server.block_on_close = False
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        client = HttpClient(host="127.0.0.1", port=server.server_address[1])
        health = client.wait_for_health(patience, lambda: True)
        server.shutdown()
        thread.join()
    assert (health.after is not None) is healthy


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n", "its Content-Length is both 3 and 4"),
        (b"Content-Length: 1e3\r\n\r\n", "its Content-Length is '1e3'"),
        (b"Content-Length: -3\r\n\r\n", "its Content-Length is '-3'"),
        (b"Content-Type: text/\x1b[31mcsv\r\n\r\n", "its header 'Content-Type' has a control"),
        (b"Content-Type\r\nContent-Length: 3\r\n\r\n", "one of its headers has no colon"),
    ],
)
def test_headers_that_other_clients_refuse_are_no_answer(sent: bytes, said: str) -> None:
    with (
        answering(b"HTTP/1.1 200 OK\r\n" + sent + b"abc") as there,
        pytest.raises(Broken) as caught,
    ):
        there.ask("POST", "/invocations", seconds=HANG)
    assert f"POST /invocations got no whole answer: {said}" in str(caught.value)


@pytest.mark.parametrize(
    "sent",
    [
        b"Content-Length: 3\r\nContent-Length: 3\r\n\r\n",
        b"Content-Length:3 \r\nX-Empty:\r\nx-text: caf\xe9\tau lait\r\n\r\n",
        b"Content-Type: multipart/mixed\r\n\r\n",
        b"X-Folded: a\r\n b\r\n\r\n",
    ],
)
def test_unusual_headers_are_an_answer(sent: bytes) -> None:
    with answering(b"HTTP/1.1 200 OK\r\n" + sent + b"abc") as there:
        assert there.ask("GET", "/ping", seconds=HANG).body == b"abc"


def test_what_is_not_http_is_named_so() -> None:
    with (
        answering(b"1.0\n") as there,
        pytest.raises(Broken, match="not HTTP, but begins with '1.0'"),
    ):
        there.ask("POST", "/invocations", seconds=HANG)


@contextmanager
def answering(sent: bytes) -> Iterator[HttpClient]:
    """A server that gives one answer, and ends the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(sent)

        thread = threading.Thread(target=serve)
        thread.start()
        yield HttpClient(host="127.0.0.1", port=server.getsockname()[1])
        thread.join()
