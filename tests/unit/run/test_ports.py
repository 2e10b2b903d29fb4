"""The port of a server and its page, on loopback only."""

from __future__ import annotations

import errno
import http.client
import socket
import struct
import threading
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

import pytest

from buildkit.contract.hosting.client import HttpClient
from buildkit.model.target import Payload, Samples
from buildkit.run import page, relay
from buildkit.run.image import Image
from buildkit.run.serving import Server
from buildkit.support.errors import ToolError
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEEN: list[dict[str, str]] = []


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        SEEN.append({name.lower(): value for name, value in self.headers.items()})
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Type", "text/csv")
        self.send_header("X-Own", "yes")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[::-1])

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def echo() -> Iterator[tuple[str, int]]:
    with ThreadingHTTPServer((relay.LOOPBACK, 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield relay.LOOPBACK, server.server_port
        server.shutdown()


def post(port: int, body: bytes, path: str = "/invocations", **headers: str) -> Any:
    with closing(http.client.HTTPConnection(relay.LOOPBACK, port, timeout=30)) as connection:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", path, body=body, headers=named)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.headers)


def test_what_comes_to_the_port_goes_to_the_container_and_back() -> None:
    with echo() as target, relay.listening(None, 0) as door:
        host, port = door.getsockname()
        assert host == "127.0.0.1"
        with relay.between(door, target):
            for size in (0, 3, 3_000_000):
                status, body, _ = post(port, b"x" * size + b"y")
                assert (status, body) == (201, b"y" + b"x" * size)
        with pytest.raises(OSError, match="refused"):
            post(port, b"")


def test_either_side_may_say_that_it_has_sent_all() -> None:
    with closing(socket.create_server((relay.LOOPBACK, 0))) as server:

        def answer() -> None:
            with closing(server.accept()[0]) as connected:
                connected.settimeout(HANG)
                said = b"".join(iter(lambda: connected.recv(10), b""))
                connected.sendall(said[::-1])

        threading.Thread(target=answer, daemon=True).start()
        with relay.listening(None, 0) as door, relay.between(door, server.getsockname()):
            address = door.getsockname()
            with closing(socket.create_connection(address, timeout=HANG)) as caller:
                caller.sendall(b"abc")
                caller.shutdown(socket.SHUT_WR)
                assert b"".join(iter(lambda: caller.recv(10), b"")) == b"cba"


def test_without_a_server_the_connection_is_closed() -> None:
    with closing(socket.socket()) as nobody:
        nobody.bind((relay.LOOPBACK, 0))
        target = nobody.getsockname()
        with (
            relay.listening(None, 0) as door,
            relay.between(door, target),
            pytest.raises((http.client.HTTPException, OSError)),
        ):
            post(door.getsockname()[1], b"")


def test_a_taken_port_is_an_error_only_if_it_was_asked_for() -> None:
    with relay.listening(None, 0) as first:
        port = first.getsockname()[1]
        with relay.listening(None, port) as second:
            assert second.getsockname()[1] not in (0, port)
        with pytest.raises(ToolError, match=f"port {port} is in use"), relay.listening(port, 1):
            pass


def test_a_connection_that_cannot_be_taken_leaves_the_port_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay, "PAUSE_SECONDS", 0.01)
    failures: list[Exception] = [OSError(errno.EMFILE, "files"), RuntimeError("no thread")]

    class Door:
        """A door whose first connection fails."""

        def __init__(self, door: socket.socket) -> None:
            self.shutdown, self.close, self._accept = door.shutdown, door.close, door.accept

        def accept(self) -> Any:
            if failures and isinstance(failures[0], OSError):
                raise failures.pop(0)
            return self._accept()

    with echo() as target, relay.listening(None, 0) as door:
        port, start = door.getsockname()[1], threading.Thread.start

        def started(thread: threading.Thread) -> None:
            if getattr(thread, "_target", None) is relay._relay and failures:
                raise failures.pop()
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", started)
        with relay.between(cast("Any", Door(door)), target):
            with pytest.raises((http.client.HTTPException, OSError)):
                post(port, b"ab")
            assert post(port, b"ab")[:2] == (201, b"ba")


def an_image(folder: Path) -> Image:
    (folder / "row.csv").write_text("1,</script>\n")
    (folder / "binary").write_bytes(b"\xff")
    payloads = (
        Payload(content_type="text/csv", body=str(folder / "row.csv"), headers=(("X-A", "b"),)),
        Payload(content_type="image/png", body=str(folder / "binary")),
    )
    samples = Samples(payloads=payloads)
    return Image(name="<b>", reference="x", target=None, samples=samples, folder=folder)


def test_the_page_has_the_samples_that_are_text_and_nothing_of_them_ends_a_script(
    tmp_path: Path,
) -> None:
    image = an_image(tmp_path)
    text = page.page(image)
    assert "&lt;b&gt;" in text
    assert "<b>" not in text
    assert '"text": "1,\\u003c/script>\\n"' in text
    assert 'image/png",' not in text
    assert text.count("<script") == text.count("</script>") == 2
    assert "http:" not in text
    assert "https:" not in text
    assert "$" not in page.page(replace(image, samples=Samples())).replace("/json(;|$)/", "")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[int]:
    SEEN.clear()
    with echo() as target:
        server = Server(container=None, address=target, seconds=0)  # type: ignore[arg-type]
        assert isinstance(server.client, HttpClient)
        with page.served(server, an_image(tmp_path)) as url:
            assert url.startswith("http://127.0.0.1:")
            yield int(url.rstrip("/").rpartition(":")[2])


def test_the_page_passes_a_payload_on_as_sagemaker_would(opened: int) -> None:
    status, body, headers = post(
        opened, b"ab", X_Buildkit="page", Content_Type="text/csv", Accept="text/csv", X_A="b",
        Cookie="c", Origin="o", Sec_Fetch_Mode="cors", Accept_Language="de", User_Agent="u",
    )  # fmt: skip
    assert (status, body, headers["x-own"]) == (201, b"ba", "yes")
    assert float(headers[page.TOOK]) > 0
    (seen,) = SEEN
    assert {name for name in seen if name not in ("host", "content-length", "accept-encoding")} == {
        "content-type", "accept", "x-a",
    }  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="a form of another site"),
        pytest.param({"X_Buildkit": "page", "Host": "evil.example:80"}, id="another name"),
        pytest.param({"X_Buildkit": "page", "path": "/models"}, id="another path"),
    ],
)
def test_nobody_else_sends_requests_through_the_page(opened: int, headers: dict[str, str]) -> None:
    assert post(opened, b"ab", **headers)[0] == 403
    assert SEEN == []


def test_a_server_that_is_gone_is_said_on_the_page(tmp_path: Path) -> None:
    with echo() as target:
        pass
    server = Server(container=None, address=target, seconds=0)  # type: ignore[arg-type]
    with page.served(server, an_image(tmp_path)) as url:
        port = int(url.rstrip("/").rpartition(":")[2])
        status, body, _ = post(port, b"ab", X_Buildkit="page")
        assert status == 502
        assert b"POST /invocations got no" in body


@pytest.mark.parametrize("gone", [False, True])
def test_a_browser_that_goes_away_while_it_sends_is_no_traceback(
    opened: int, gone: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    with closing(socket.create_connection((relay.LOOPBACK, opened), timeout=HANG)) as browser:
        browser.sendall(
            b"POST /invocations HTTP/1.1\r\nHost: localhost:1\r\nX-Buildkit: page\r\n"
            b"Content-Length: 10\r\n\r\nabc"
        )
        if gone:
            browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            browser.shutdown(socket.SHUT_WR)
            assert browser.recv(100).startswith(b"HTTP/1.1 400")
    assert post(opened, b"ab", X_Buildkit="page")[0] == 201
    assert len(SEEN) == 1
    assert "Traceback" not in capfd.readouterr().err
