"""A registry in memory that speaks real HTTP, and fails as it is told.

Stands in for the real one of the end-to-end tests where a fault must come at one exact request.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import socket
import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from tests.support.waiting import HANG

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

BLOB = re.compile(r"/v2/(?P<name>.+)/blobs/(?P<digest>sha256:[0-9a-f]{64})")
MANIFEST = re.compile(r"/v2/(?P<name>.+)/manifests/(?P<reference>[^/]+)")
UPLOAD = re.compile(r"/v2/(?P<name>.+)/blobs/uploads/(?P<id>[^/]*)")
TAGS = re.compile(r"/v2/(?P<name>.+)/tags/list")

Server = TypeVar("Server", bound="RegistryServer")
Reply = tuple[int, "dict[str, str]", bytes]


@dataclass
class Fault:
    """What happens to the next `times` requests whose method and path fit."""

    method: str
    path: str
    does: Callable[[Handler], Reply | None]
    times: int = 1


def answers(status: int, text: str = "", **headers: str) -> Callable[[Handler], Reply]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _handler: (status, named, text.encode())


def resets(handler: Handler) -> None:
    """The connection breaks after some of the body has come."""
    handler.rfile.read(min(1000, int(handler.headers.get("Content-Length", 0))))
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    os.close(handler.connection.detach())


@dataclass
class RegistryServer:
    blobs: dict[str, dict[str, bytes]] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    uploads: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    received: int = 0
    mounts: bool = True
    immutable: bool = False
    pause: threading.Barrier | None = None
    """Where faulty requests wait for each other, once."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    host: str = ""

    def fault(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for each in self.faults:
                if each.times and each.method == method and re.search(each.path, path):
                    each.times -= 1
                    return each
        return None

    def reply(self, method: str, url: str, headers: Any, body: bytes) -> Reply:  # noqa: PLR0911
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if match := UPLOAD.fullmatch(parts.path):
            return self._upload(method, match["name"], match["id"], query, body)
        if match := BLOB.fullmatch(parts.path):
            found = self.blobs.get(match["name"], {}).get(match["digest"])
            return (404, {}, b"") if found is None else (200, {}, found)
        if match := MANIFEST.fullmatch(parts.path):
            name, reference = match["name"], match["reference"]
            if method == "PUT":
                return self._put(name, reference, headers["Content-Type"], body)
            kind, content = self.manifests.get(f"{name}:{reference}", ("", b""))
            if not kind:
                return 404, {}, b""
            return 200, {"Content-Type": kind, "Docker-Content-Digest": digest(content)}, content
        if match := TAGS.fullmatch(parts.path):
            return self._tags(match["name"], query)
        return 200, {}, b"{}"

    def _tags(self, name: str, query: dict[str, str]) -> Reply:
        found = sorted(
            tag
            for key in self.manifests
            for repository, _, tag in [key.partition(":")]
            if repository == name and not tag.startswith("sha256:")
        )
        size = int(query.get("n", 1000))
        page = [tag for tag in found if tag > query.get("last", "")]
        more = page[size:]
        link = f'</v2/{name}/tags/list?n={size}&last={page[size - 1]}>; rel="next"' if more else ""
        return 200, {"Link": link} if link else {}, json.dumps({"tags": page[:size]}).encode()

    def _upload(
        self, method: str, name: str, upload: str, query: dict[str, str], body: bytes
    ) -> Reply:
        with self.lock:
            if method == "POST":
                blob = self.blobs.get(query.get("from", ""), {}).get(query.get("mount", ""))
                if self.mounts and blob is not None:
                    self.blobs.setdefault(name, {})[query["mount"]] = blob
                    return 201, {}, b""
                upload = f"u{next(self.numbers)}"
                self.uploads.add(upload)
            elif upload not in self.uploads:
                return 404, {}, b""
            elif method == "DELETE":
                self.uploads.remove(upload)
                return 204, {}, b""
            else:
                self.uploads.remove(upload)
                self.received += len(body)
                if digest(body) != query["digest"]:
                    return 400, {}, b'{"errors": [{"code": "DIGEST_INVALID", "message": "no"}]}'
                self.blobs.setdefault(name, {})[query["digest"]] = body
                return 201, {"Docker-Content-Digest": query["digest"]}, b""
        return 202, {"Location": f"/v2/{name}/blobs/uploads/{upload}?state=x"}, b""

    def _put(self, name: str, reference: str, kind: str, body: bytes) -> Reply:
        key = f"{name}:{reference}"
        with self.lock:
            if self.immutable and key in self.manifests and self.manifests[key][1] != body:
                text = '{"errors": [{"code": "TAG_INVALID", "message": "the tag is immutable"}]}'
                return 400, {}, text.encode()
            self.manifests[key] = (kind, body)
            self.manifests[f"{name}:{digest(body)}"] = (kind, body)
        return 201, {}, b""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or a body waits until its headers are acknowledged
    registry: RegistryServer

    def _do(self) -> None:
        fault = self.registry.fault(self.command, self.path)
        self.registry.requests.append(f"{self.command} {self.path}")
        self.registry.logins.append(self.headers.get("Authorization", ""))
        if fault and self.registry.pause and not self.registry.pause.broken:
            self.registry.pause.wait(HANG)
        found = fault.does(self) if fault else None
        if self.connection.fileno() < 0:
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, headers, content = found or self.registry.reply(
            self.command, self.path, self.headers, body
        )
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _do  # noqa: N815 - http.server's

    def log_message(self, *_: object) -> None:
        pass


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that has gone, as clients do whose connection was broken on purpose."""


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@contextmanager
def running(registry: Server, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    handler = type("Bound", (Handler,), {"registry": registry})
    server = Quiet(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    registry.host = f"127.0.0.1:{server.server_port}"
    ends = threading.Event()

    def serve() -> None:
        while not ends.is_set():
            server.handle_request()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        ends.set()
        # `shutdown` is noticed at the next poll; a connection at once.
        socket.create_connection(("127.0.0.1", server.server_port)).close()
        thread.join()
        server.server_close()
