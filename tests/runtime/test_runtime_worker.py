"""How a worker distinguishes requests that it answers at once."""

from __future__ import annotations

import socket
from importlib.metadata import version

import pytest
from buildkit_runtime.worker import is_quick

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


def test_the_tests_have_the_server_of_the_images() -> None:
    wanted = (RUNTIME / "requirements.txt").read_text().splitlines()
    assert {f"{name}=={version(name)}" for name in ("gunicorn", "werkzeug")} <= set(wanted)
