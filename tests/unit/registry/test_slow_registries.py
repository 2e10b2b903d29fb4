"""A registry that accepts connections and does not answer: a run says so, and ends soon."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING

import pytest

from buildkit.registry import exchange
from buildkit.registry.client import Blob, Registry
from buildkit.registry.wire import ATTEMPTS, STALLS, Wire
from buildkit.support.errors import UnavailableError
from tests.support.registry_server import Fault, RegistryServer, answers, digest, running
from tests.support.waiting import HANG, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.registry_server import Handler

CONTENT = b"layer" * 1000
BLOB = Blob(digest=digest(CONTENT), size=len(CONTENT), open=lambda: io.BytesIO(CONTENT))


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with running(RegistryServer()) as found:
        yield found


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """What silent answers wait for, until the end of the test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildkit.registry.wire._pause", lambda _state: 0)
    for name, seconds in (("TELL", 0.05), ("SMALL", 0.5), ("READ", 0.5)):
        monkeypatch.setattr(exchange, f"{name}_SECONDS", seconds)


def silent(released: threading.Event, beginning: bytes = b"") -> Callable[[Handler], None]:
    def does(handler: Handler) -> None:
        handler.wfile.write(beginning)
        handler.wfile.flush()
        released.wait(HANG)
        handler.close_connection = True

    return does


def client(server: RegistryServer) -> Registry:
    return Registry(wire=Wire(host=server.host, login=lambda: None))


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"", id="no answer"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", id="a part of one"
        ),
    ],
)
def test_a_silent_registry_is_named_once_and_asked_twice(
    server: RegistryServer,
    released: threading.Event,
    capsys: pytest.CaptureFixture[str],
    beginning: bytes,
) -> None:
    server.faults.append(Fault("GET", "manifests", silent(released, beginning), times=99))
    with pytest.raises(UnavailableError, match=f"{server.host} does not answer: .*timed out"):
        client(server).manifest("demo", "1")
    assert len(server.requests) == STALLS
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"{server.host} has not answered `GET /v2/demo/manifests/1` for ")


def test_other_errors_between_two_silences_do_not_end_the_attempts(
    server: RegistryServer, released: threading.Event
) -> None:
    server.faults += [
        Fault("GET", "manifests", answers(503), times=3),
        Fault("GET", "manifests", silent(released)),
        Fault("GET", "manifests", answers(503)),
    ]
    assert client(server).manifest("demo", "1") is None


def test_an_answer_in_time_is_not_reported(
    server: RegistryServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exchange, "TELL_SECONDS", HANG)
    assert client(server).manifest("demo", "1") is None
    assert capsys.readouterr().err == ""
    wait_until(lambda: not any(isinstance(each, threading.Timer) for each in threading.enumerate()))


def test_an_upload_is_tried_as_often_as_ever(
    server: RegistryServer, released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "READ_SECONDS", 0.1)
    server.faults.append(Fault("PUT", "uploads", silent(released), times=99))
    with pytest.raises(UnavailableError):
        client(server).upload("demo", BLOB)
    assert len([each for each in server.requests if each.startswith("PUT")]) == ATTEMPTS


def test_a_registry_that_takes_no_connection_is_said_at_the_second_attempt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("buildkit.registry.wire.TELL_SECONDS", 0)
    with pytest.raises(UnavailableError):
        client(RegistryServer(host="127.0.0.1:1")).manifest("demo", "1")
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("the registry 127.0.0.1:1 does not answer: ")
    assert said.endswith(": trying again")
