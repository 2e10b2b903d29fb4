"""A package index on this machine, with TLS, as builds reach it."""

from __future__ import annotations

import ssl
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from buildkit.config import substitution
from tests.e2e.support.parts import certificate, gateway, private_engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.support.real import Local


class Index(SimpleHTTPRequestHandler):
    """Folders of packages, as pip reads them; where it is private, for nobody without the login.

    Wheels may be kept for long, as those of PyPI.
    """

    def __init__(
        self, *arguments: Any, allowed: str | None, asked: list[str], **keywords: Any
    ) -> None:
        self.allowed, self.asked = allowed, asked
        super().__init__(*arguments, **keywords)

    def end_headers(self) -> None:
        if self.path.endswith(".whl"):
            self.send_header("Cache-Control", "max-age=365000000, immutable, public")
        super().end_headers()

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.allowed in (None, self.headers.get("Authorization")):
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Basic")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def index(
    local: Local, folder: Path, allowed: str | None = None, asked: list[str] | None = None
) -> Iterator[str]:
    """The host and port of an index of `folder`, which holds `<package>/<wheel>`.

    `allowed` is the header of the login that it wants; `asked` gets the path of each request. Its certificate is of the private engine's
    authority.
    """
    address = gateway(local)
    leaf, key = certificate(private_engine(local) / "ca", folder.parent, f"IP:{address}")
    asked = [] if asked is None else asked
    handler = partial(Index, directory=str(folder), allowed=allowed, asked=asked)
    server = ThreadingHTTPServer((address, 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf, key)
    # Each connection shakes hands in its own thread: in the loop that accepts, a slow one keeps out all others.
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{address}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def options(local: Local, folder: Path, settings: str) -> tuple[str, ...]:
    """Options of `build`: pip gets `settings` from a file in `folder`, and trusts the index."""
    configuration = folder / "pip.conf"
    configuration.write_text(f"[global]\n{settings}\n{address_for_a_name(local)}")
    authority = private_engine(local) / "ca" / "ca.crt"
    return ("--pip-config", str(configuration), "--ca-bundle", str(authority))


def address_for_a_name(local: Local) -> str:
    """pip 24.2 and newer trip over a host without a name, unless they look at certificates as before."""
    base = "python:3.11-slim-bookworm"
    rules = substitution.parse(local.env.get("BUILDKIT_SUBSTITUTE", "").split())
    image = substitution.substitute(base, rules) or base
    version = local.docker("run", "--rm", image, "pip", "--version").split()[1]
    major, minor = map(int, version.split(".")[:2])
    return "use-deprecated = legacy-certs\n" if (major, minor) >= (24, 2) else ""
