"""The page that sends payloads to a server from a browser.

The tool serves it on loopback, and passes its requests on to the container: so they are of the same
origin. No other page can send any through it: requests need the name of this machine as host, and a
header that browsers let other origins send only if the server agrees. The port of the relay itself
accepts any origin.
"""

from __future__ import annotations

import html
import json
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from buildkit.contract.checks import Broken
from buildkit.contract.hosting.client import LARGEST_BODY
from buildkit.run.relay import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildkit.contract.hosting.client import HttpClient
    from buildkit.model.target import Payload
    from buildkit.run.image import Image
    from buildkit.run.serving import Server

MARK = "X-Buildkit"
TOOK = "X-Buildkit-Milliseconds"
LARGEST_SAMPLE = 256 * 1024
"""Bytes of a sample that the page offers to edit."""
HOP = {
    "connection", "content-length", "host", "keep-alive", "proxy-authenticate", "te", "trailer",
    "transfer-encoding", "upgrade",
}  # fmt: skip
"""Headers of one connection, which are not passed on."""
OF_A_BROWSER = ("sec-", "cookie", "origin", "referer", "user-agent", "accept-", MARK.lower())
"""How headers begin that SageMaker would not send."""
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)


@contextmanager
def served(server: Server, image: Image) -> Iterator[str]:
    """The address of the page, until the context ends."""
    with _Door(page(image).encode(), server.client) as door:
        threading.Thread(target=door.serve_forever, daemon=True).start()
        try:
            yield f"http://{LOOPBACK}:{door.server_port}/"
        finally:
            door.shutdown()


def page(image: Image) -> str:
    """The page of an image, with its samples."""
    offered = [each for each in map(_offered, image.samples.payloads) if each is not None]
    # In a script, only `<` could end the text.
    samples = json.dumps(offered).replace("<", "\\u003c")
    template = resources.files("buildkit.run").joinpath("page.html").read_text("utf-8")
    return Template(template).substitute(title=html.escape(image.name), samples=samples)


def _offered(payload: Payload) -> dict[str, object] | None:
    """A sample that can be edited as text."""
    with suppress(OSError, UnicodeDecodeError), Path(payload.body).open("rb") as file:
        content = file.read(LARGEST_SAMPLE + 1)
        if len(content) <= LARGEST_SAMPLE:
            return {
                "name": Path(payload.body).name,
                "type": payload.content_type,
                "accept": payload.accept or "",
                "headers": dict(payload.headers),
                "text": content.decode(),
            }
    return None


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a browser's request that the container gets."""
    return {
        name: value
        for name, value in headers.items()
        if name.lower() not in HOP and not name.lower().startswith(OF_A_BROWSER)
    }


class _Door(ThreadingHTTPServer):
    def __init__(self, page: bytes, client: HttpClient) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.page = page
        self.client = client


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Door

    def do_GET(self) -> None:
        if not self._is_for_us():
            self._answer(403, b"wrong host\n", "text/plain")
        elif self.path == "/":
            more = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
            self._answer(200, self.server.page, "text/html; charset=utf-8", more)
        else:
            self._answer(404, b"not found\n", "text/plain")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not self._is_for_us() or MARK not in self.headers or self.path != "/invocations":
            self.close_connection = True  # the body is not read
            self._answer(403, b"only the page may send requests\n", "text/plain")
        elif not length.isdecimal() or int(length) > LARGEST_BODY:
            self.close_connection = True
            self._answer(413, b"the payload is too large\n", "text/plain")
        else:
            self._read(int(length))

    def _read(self, length: int) -> None:
        body = b""
        with suppress(OSError):  # the browser is gone
            body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            self._answer(400, b"the payload is shorter than its Content-Length\n", "text/plain")
        else:
            self._pass_on(body)

    def _pass_on(self, body: bytes) -> None:
        try:
            answer = self.server.client.ask(
                "POST", "/invocations", body=body, headers=passed_on(dict(self.headers))
            )
        except Broken as error:
            self._answer(502, f"{error}\n".encode(), "text/plain; charset=utf-8")
            return
        more = {name: value for name, value in answer.headers.items() if name not in HOP}
        more.pop("content-type", None)
        more[TOOK] = f"{1000 * answer.seconds:.1f}"
        self._answer(answer.status, answer.body, answer.content_type, more)

    def _is_for_us(self) -> bool:
        """Whether the request names this machine: else another site's name leads here."""
        host = self.headers.get("Host", "").rpartition(":")[0]
        return host in (LOOPBACK, "localhost")

    def _answer(
        self, status: int, body: bytes, kind: str, more: Mapping[str, str] | None = None
    ) -> None:
        with suppress(OSError):  # the browser is gone
            self.send_response_only(status)  # the container names itself
            for name, value in {"Content-Type": kind, **(more or {})}.items():
                self.send_header(name, value)
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - its name in Python
        """The log of the server says enough."""
