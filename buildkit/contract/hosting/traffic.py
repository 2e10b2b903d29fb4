"""A server under load: background requests during a check, and requests on bare sockets."""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Unseen, hindered
from buildkit.contract.engine import End
from buildkit.contract.hosting import starting
from buildkit.contract.hosting.client import (
    INVOCATION_SECONDS,
    LARGEST_BODY,
    OK,
    hung_up_after,
)
from buildkit.contract.hosting.reference_server import first_answer
from buildkit.contract.logs import last_lines
from buildkit.contract.scenario import scenario
from buildkit.contract.signs import Sign
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkit.contract.hosting.client import Answer
    from buildkit.contract.hosting.server import Serving
    from buildkit.contract.scenario import Bench
    from buildkit.model.target import Payload

AT_ONCE = 4
CONTINUE = 100
CONTINUE_SECONDS = 3
"""How long a client waits for `100 Continue` before it sends the body anyway."""
PAUSE = 0.05
PART = 256 * 1024
LARGEST_HEAD = 64 * 1024
END_SECONDS = 10
"""Time for a server that no longer answers to end: then other checks are skipped."""
CLOSE_SECONDS = 2
"""How long a server that has answered may take to close the connection, as it was asked to."""
LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,18})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
CHUNKED = re.compile(rb"^transfer-encoding:", re.IGNORECASE | re.MULTILINE)
INFORMATIONAL = re.compile(rb"HTTP/\S+ 1\d\d")
"""How an answer begins that another one follows."""
JUNK = ("text/csv", b"1,2,3\n")
"""The request if the samples have no payload."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A server that was healthy. `first`: the answer to its first request, None without one."""

    serving: Serving
    first: Answer | Broken | None

    @property
    def works(self) -> bool:
        return not isinstance(self.first, Broken | None) and self.first.status == OK

    @property
    def sample(self) -> tuple[str, bytes]:
        """Content type and body of the largest sample, else of junk."""
        if not self.serving.payloads:
            return JUNK
        largest = max(self.serving.payloads, key=lambda each: Path(each.body).stat().st_size)
        return largest.content_type, Path(largest.body).read_bytes()

    def answers(self) -> list[Answer]:
        """The answers of 200 that samples get right now."""
        found = []
        for payload in self.serving.payloads:
            with suppress(Broken):
                found.append(self.serving.invoke(payload))
        return [each for each in found if each.status == OK]

    def need_life(self) -> None:
        """Raise Unseen if the server has ended."""
        self.serving.need_health()
        if (exit_code := self.serving.container.wait(0)) is not None:
            raise hindered(f"the server ended with {exit_code}", Sign.ENDED)

    def need_sample(self) -> Payload:
        """The first sample, if it is answered with 200. Raises Unseen."""
        self.need_life()
        payload = self.serving.a_payload()
        if not self.works:
            raise Unseen("the first sample is not answered with 200 (SERVE-06)")
        return payload

    def still_good(self, after: str) -> None:
        """Check that the server runs and still answers like before. Raises Broken."""
        if (exit_code := self.serving.container.wait(0)) is not None:
            end = End(exit_code, self.serving.container.ended_by())
            evidence = f"after {after} the server ended {end}{last_lines(self.serving.log)}"
            raise Broken(evidence, *end.signs, Sign.ENDED)
        try:
            serving = self.serving if self.works else replace(self.serving, payloads=())
            serving.still_good(after)
        except Broken as error:
            if self.serving.container.wait(END_SECONDS) is None:
                raise
            raise Broken(str(error), *error.signs, Sign.ENDED) from error


@scenario("`serve` under load", Purpose.INFERENCE, alone=True)
def under_load(bench: Bench) -> Iterator[Loaded]:
    starting.healthy(bench)
    with starting.served(bench, plain=True) as serving:  # its checks find out what works
        yield Loaded(serving=serving, first=first_answer(serving))


@contextmanager
def traffic(loaded: Loaded) -> Iterator[None]:
    """Four clients that keep sending the largest sample, whatever the answer."""
    over = threading.Event()
    content_type, body = loaded.sample

    def send() -> None:
        while not over.is_set():
            try:
                post(loaded.serving, body, content_type)
            except Broken:
                over.wait(PAUSE)

    clients = [threading.Thread(target=send, daemon=True) for _ in range(AT_ONCE)]
    for each in clients:
        each.start()
    try:
        yield
    finally:
        over.set()
        for each in clients:
            each.join()


def post(serving: Serving, body: bytes, content_type: str = "", accept: str = "") -> Answer:
    """Any request to /invocations."""
    types = {"Content-Type": content_type, "Accept": accept}
    headers = {**serving.headers, **{name: value for name, value in types.items() if value}}
    return serving.send(body, headers)


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request on a bare socket. `status` is None without an answer in time."""

    status: int | None
    sent: int
    seconds: float
    timed_out: bool


def exchange(serving: Serving, body: bytes, content_type: str, *, expect: bool = False) -> Exchange:
    """Send a body, and read an answer even if the body was not read to its end.

    `expect`: wait for `100 Continue` before the body, as curl does.
    """
    began, limit = time.monotonic(), serving.client.limit(INVOCATION_SECONDS)
    deadline = began + limit.most
    status: int | None = None
    sent = 0
    try:
        with (
            _connected((serving.client.host, serving.client.port)) as connection,
            hung_up_after(limit, connection),
        ):
            length = f"Content-Length: {len(body)}\r\n"
            length += "Expect: 100-continue\r\n" if expect else ""
            connection.sendall(_head(serving, content_type, length))
            if expect:
                status = _status(connection, began + CONTINUE_SECONDS, until=CONTINUE)
            if status in (None, CONTINUE):
                with suppress(OSError):  # a server that refuses a body may not read it
                    while sent < len(body) and time.monotonic() < deadline:
                        connection.settimeout(max(deadline - time.monotonic(), 0.01))
                        sent += connection.send(body[sent : sent + PART])
                status = _status(connection, deadline)
    except OSError:
        pass
    took = time.monotonic() - began
    late = limit.passed or took >= limit.most
    return Exchange(status=status, sent=sent, seconds=took, timed_out=late)


def hang_up(serving: Serving, content_type: str, *, head: bool) -> None:
    """Abort a connection: in the middle of a body, or with `head`, in the middle of the headers."""
    with suppress(OSError), _connected(serving.client.address) as connection:
        start = _head(serving, content_type, "Content-Length: 100000\r\n")
        connection.sendall(start[:30] if head else start + b"1" * 1000)
        time.sleep(PAUSE)
        now = struct.pack("ii", 1, 0)
        connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, now
        )  # a reset instead of a close


def after_the_answer(serving: Serving, payload: Payload | None = None) -> bytes:
    """What follows the end of an answer to a sample, or to `/ping`, except line ends.

    Empty also if the answer does not say how long it is. The request asks the server to close the
    connection, so that all of its bytes are seen.
    """
    close = "Connection: close\r\n"
    if payload is None:
        host = f"{serving.client.host}:{serving.client.port}"
        request = f"GET /ping HTTP/1.1\r\nHost: {host}\r\n{close}\r\n".encode()
    else:
        body = Path(payload.body).read_bytes()
        wish = "" if payload.accept is None else f"Accept: {payload.accept}\r\n"
        length = f"Content-Length: {len(body)}\r\n"
        request = _head(serving, payload.content_type, f"{wish}{length}{close}") + body
    head, _, rest = _whole(serving, request).partition(b"\r\n\r\n")
    found = LENGTH.search(head)
    if found is None or CHUNKED.search(head) or INFORMATIONAL.match(head):
        return b""
    return rest[int(found[1]) :].strip(b"\r\n")


def _whole(serving: Serving, request: bytes) -> bytes:
    """All that a server sends until it closes the connection, or what came until the limit."""
    found = b""
    limit = serving.client.limit(INVOCATION_SECONDS)
    with (
        suppress(OSError),
        _connected(serving.client.address) as connection,
        hung_up_after(limit, connection),
    ):
        connection.sendall(request)
        while len(found) < LARGEST_BODY and (part := connection.recv(PART)):
            found += part
            if _ended(found):
                connection.settimeout(CLOSE_SECONDS)
    return found


def _ended(found: bytes) -> bool:
    """Whether a whole answer of a declared length has come."""
    head, end, rest = found.partition(b"\r\n\r\n")
    length = LENGTH.search(head) if end else None
    return length is not None and len(rest) >= int(length[1])


@contextmanager
def unfinished(loaded: Loaded) -> Iterator[None]:
    """A request that the server is reading: the last byte of its body comes at the end.

    Raises Unseen if the server does not take it.
    """
    content_type, body = loaded.sample
    try:
        connection = _connected(loaded.serving.client.address)
    except OSError as error:
        raise Unseen(f"the server takes no connection: {error}") from error
    with connection:
        with suppress(OSError):  # a server may answer before it has the whole body
            length = f"Content-Length: {len(body)}\r\n"
            connection.sendall(_head(loaded.serving, content_type, length) + body[:-1])
        time.sleep(PAUSE)
        yield
        with suppress(OSError):
            connection.sendall(body[-1:])
            _status(connection, time.monotonic() + INVOCATION_SECONDS)


@contextmanager
def listener() -> Iterator[tuple[str, int]]:
    """A socket of this process that accepts connections, to measure what a connection costs."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        host, port = server.getsockname()
        yield str(host), int(port)


def connect_seconds(where: tuple[str, int], count: int, limit: float) -> list[float]:
    """Seconds of each of `count` connections, opened one after the other and kept open.

    A refused one, or one that is given up after `limit`, counts as `limit`.
    """
    found = []
    opened: list[socket.socket] = []
    try:
        for _ in range(count):
            began = time.monotonic()
            try:
                opened.append(socket.create_connection(where, timeout=limit))
                found.append(time.monotonic() - began)
            except OSError:
                found.append(limit)
    finally:
        for each in opened:
            each.close()
    return found


def _connected(where: tuple[str, int]) -> socket.socket:
    return socket.create_connection(where, timeout=INVOCATION_SECONDS)


def _head(serving: Serving, content_type: str, more: str) -> bytes:
    host = f"{serving.client.host}:{serving.client.port}"
    lines = f"POST /invocations HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content_type}\r\n"
    lines += "".join(f"{name}: {value}\r\n" for name, value in serving.headers.items())
    return f"{lines}{more}\r\n".encode("latin-1", "replace")


def _status(connection: socket.socket, deadline: float, until: int | None = None) -> int | None:
    """The status of the next answer; `100 Continue` only counts if `until` asks for it."""
    read: Callable[[int], bytes] = connection.recv
    found = b""
    try:
        while len(found) < LARGEST_HEAD and (left := deadline - time.monotonic()) > 0:
            head, end, rest = found.partition(b"\r\n\r\n")
            if end:
                status = int(head.split(None, 2)[1])
                if status != CONTINUE or until == CONTINUE:
                    return status
                found = rest
                continue
            connection.settimeout(left)
            part = read(4096)
            if not part:
                return None
            found += part
    except (OSError, ValueError, IndexError):
        pass
    return None
