"""HTTP to a container that means harm: every wait has an end."""

from __future__ import annotations

import http.server
import socket
import threading
import time
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
