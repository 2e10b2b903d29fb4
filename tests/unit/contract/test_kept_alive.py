"""Connections that stay open: servers that block on them, and servers that say too much."""

from __future__ import annotations

import http.server
import socketserver
import threading
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from buildkit.contract import checks
from buildkit.contract.checks import Broken
from buildkit.contract.hosting import kept_alive, serving
from buildkit.contract.hosting.client import INVOCATION_SECONDS, Answer, Health, HttpClient
from buildkit.contract.hosting.server import Serving
from buildkit.contract.hosting.traffic import Loaded
from buildkit.contract.machine import Limit
from buildkit.contract.signs import Sign
from buildkit.model.target import Payload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from buildkit.contract.checks import Check, Judged


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    more: ClassVar[bytes] = b""
    """Follows each answer."""

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/csv")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body + self.more)

    def log_message(self, *_: object) -> None:
        pass


class Quiet(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass


class OneByOne(http.server.HTTPServer):
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_alive, "BESIDE_SECONDS", 0.5)
    monkeypatch.setattr(kept_alive, "PING_SECONDS", 0.2)


@contextmanager
def loaded(
    folder: Path, server: type[http.server.HTTPServer], handler: type[Handler]
) -> Iterator[Loaded]:
    body = folder / "sample.csv"
    body.write_text("1,2\n")
    payload = Payload(content_type="text/csv", body=str(body))
    with server(("127.0.0.1", 0), handler) as http_server:
        thread = threading.Thread(target=http_server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        container: Any = SimpleNamespace(
            wait=lambda _seconds: None, ended_by=lambda: "", lines=lambda: (), logs=lambda: ""
        )
        machine: Any = SimpleNamespace(limit=lambda _of, seconds: Limit(seconds=seconds))
        server_seen = Serving(
            container=container,
            machine=machine,
            client=HttpClient(host="127.0.0.1", port=http_server.server_address[1]),
            refusal=None,
            health=Health(after=0.1, last=None),
            exit_code=None,
            payloads=(payload,),
        )
        try:
            yield Loaded(
                serving=server_seen,
                first=Answer(status=200, content_type="text/csv", body=b"1,2\n"),
            )
        finally:
            http_server.shutdown()


def told(check: Check[Any], observed: object) -> Judged:
    return checks.run(check, observed)


class Closes(Handler):
    protocol_version = "HTTP/1.0"


class Patient(Handler):
    """Waits a moment for the next request on a connection, and for no longer."""

    timeout = 0.3


class Talkative(Handler):
    more = b"more"


class Polite(Handler):
    more = b"\r\n"


PING, REQUEST = (
    kept_alive.an_idle_connection_blocks_no_ping,
    kept_alive.an_idle_connection_blocks_no_request,
)


@pytest.mark.parametrize(
    ("server", "handler", "found"),
    [
        pytest.param(Quiet, Handler, "pass", id="a thread per connection"),
        pytest.param(OneByOne, Closes, "pass", id="closes after each answer"),
        pytest.param(OneByOne, Handler, "warn", id="one connection at a time"),
        pytest.param(OneByOne, Patient, "warn", id="one at a time, for a while"),
    ],
)
def test_an_idle_connection_must_not_block_others(
    tmp_path: Path, server: type[http.server.HTTPServer], handler: type[Handler], found: str
) -> None:
    with loaded(tmp_path, server, handler) as seen:
        assert told(PING, seen).status.value == found


def test_a_request_beside_an_idle_connection_is_judged_too(tmp_path: Path) -> None:
    with loaded(tmp_path, OneByOne, Handler) as seen:
        judged = told(REQUEST, seen)
        assert judged.status.value == "warn"  # SERVE-15 is a recommendation
        assert "while another connection stayed open" in judged.message
    with loaded(tmp_path, Quiet, Handler) as seen:
        assert told(REQUEST, seen).status.value == "pass"


def test_a_late_ping_after_bad_input_is_no_dead_server(tmp_path: Path) -> None:
    """Whether a server answers in 2 s is a matter of SERVE-02."""
    with loaded(tmp_path, Quiet, Handler) as seen:
        late: list[float] = []

        def ask(_method: str, path: str, *, seconds: float | None = None, **_: object) -> Answer:
            if path == "/ping":
                late.append(seconds or 0)
            if path == "/ping" and len(late) > 1:
                raise Broken("GET /ping got no answer", Sign.PING, Sign.NO_ANSWER)
            return Answer(status=200, content_type="text/csv", body=b"1,2\n")

        client: Any = SimpleNamespace(ask=ask)
        judged = told(serving.survives_bad_input, replace(seen.serving, client=client))
        assert judged.status.value == "fail"  # it never answered
        assert late[1:] == [INVOCATION_SECONDS] * 2


@pytest.mark.parametrize(
    ("handler", "sample", "ping"),
    [
        pytest.param(Handler, "pass", "pass", id="as long as they say"),
        pytest.param(Talkative, "fail", "warn", id="longer"),
        pytest.param(Polite, "pass", "pass", id="a line end, which clients skip"),
    ],
)
def test_an_answer_is_as_long_as_it_says(
    tmp_path: Path, handler: type[Handler], sample: str, ping: str
) -> None:
    with loaded(tmp_path, Quiet, handler) as seen:
        assert told(kept_alive.no_answer_is_cut, seen).status.value == sample
        assert told(kept_alive.no_ping_spoils_its_connection, seen).status.value == ping


@pytest.mark.parametrize(
    ("handler", "found"),
    [(Handler, "pass"), (Closes, "pass"), (Talkative, "warn")],
)
def test_what_follows_an_answer_is_no_answer(
    tmp_path: Path, handler: type[Handler], found: str
) -> None:
    with loaded(tmp_path, Quiet, handler) as seen:
        assert told(kept_alive.connection_is_kept, seen).status.value == found
