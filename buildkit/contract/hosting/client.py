"""HTTP to one container, with a limit for every wait and every answer."""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.errors import MissingHeaderBodySeparatorDefect
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken
from buildkit.contract.machine import Limit
from buildkit.contract.signs import Sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

OK = 200
NOT_FOUND = 404
TOO_LARGE = 413
NO_UPSTREAM = (502, 504)
LARGEST_BODY = 32 * 1024 * 1024
"""Bytes of an answer that are read: more than SageMaker passes on (SERVE-09)."""
INVOCATION_SECONDS = 60
"""How long SageMaker waits for an answer of `/invocations` (SERVE-07)."""
PING_SECONDS = 2
"""How long SageMaker waits for `/ping` (SERVE-02)."""
PATIENCE = 5
"""Slow answers of `/ping` before it gets more time, to see whether it answers at all."""
LATE_SECONDS = 60
PAUSE = 0.05
"""Seconds between two requests for health."""
PART = 64 * 1024
REASON = 300
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""What no header may contain (RFC 9110, 5.5). Folded lines are obsolete, but many clients read
them."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`headers` have lower-case names. `parts`: seconds after the request, and bytes, of each."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    parts: tuple[tuple[float, int], ...] = ()

    @property
    def redirects(self) -> bool:
        return 300 <= self.status < 400 and bool(self.headers.get("location"))  # noqa: PLR2004

    @property
    def signs(self) -> tuple[Sign, ...]:
        """What a hint depends on."""
        found = {
            Sign.NOT_FOUND: self.status == NOT_FOUND,
            Sign.TOO_LARGE: self.status == TOO_LARGE,
            Sign.PROXY: self.status in NO_UPSTREAM and b"nginx" in self.body.lower(),
            Sign.REDIRECTS: self.redirects,
            Sign.UNTYPED: not self.content_type,
        }
        return tuple(sign for sign, shows in found.items() if shows)

    def shown(self) -> str:
        """Status, type and the beginning of the body, for evidence."""
        kind = self.content_type or "without a Content-Type"
        if self.redirects:
            return f"{self.status}, which redirects to {self.headers['location'][:200]}"
        return f"{self.status} {kind}: {short(self.body) if self.body else 'an empty body'}"


def short(body: bytes) -> str:
    return repr(body[:200].decode("utf-8", "replace"))


@contextmanager
def hung_up_after(limit: Limit, connected: socket.socket) -> Iterator[None]:
    """Close a connection after a limit: a socket's own time-out restarts with each byte.

    Raises TooBusy if the limit cannot be judged.
    """
    done = threading.Event()
    failed: list[BaseException] = []

    def watch() -> None:
        try:
            while not done.wait(limit.left) and not limit.expired():
                pass
            if not limit.passed:
                return
        except BaseException as error:  # noqa: BLE001 - raised below, in the caller's thread
            failed.append(error)
        with suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        if failed:
            raise failed[0]


def plain_limit(seconds: float) -> Limit:
    return Limit(seconds=seconds)


@dataclass(frozen=True, kw_only=True)
class HttpClient:
    """Sends requests to one container. Each raises Broken without a whole answer in time.

    `limit` makes a limit from seconds; it may discount those that the machine is to blame for.
    """

    host: str
    port: int
    limit: Callable[[float], Limit] = plain_limit

    @property
    def address(self) -> tuple[str, int]:
        """The address in the form of sockets."""
        return self.host, self.port

    def ask(
        self,
        method: str,
        path: str,
        *,
        seconds: float | None = None,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request, by default with the time of an invocation.

        A body in parts is sent in HTTP chunks, unless its length is given.
        """
        seconds = INVOCATION_SECONDS if seconds is None else seconds
        with self.connected(seconds) as connection:
            return self.ask_on(
                connection, method, path, seconds=seconds, body=body, headers=headers
            )

    @contextmanager
    def connected(self, seconds: float) -> Iterator[http.client.HTTPConnection]:
        """A connection for several requests, each of at most `seconds`."""
        most = self.limit(seconds).most
        connection = http.client.HTTPConnection(self.host, self.port, timeout=most)
        try:
            yield connection
        finally:
            connection.close()

    def ask_on(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        *,
        seconds: float,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        began = time.monotonic()
        limit = self.limit(seconds)
        accepted = connection.sock is not None
        try:
            if not accepted:
                connection.connect()
                accepted = True
            with hung_up_after(limit, connection.sock):
                connection.request(method, path, body=body, headers=dict(headers or {}))
                with connection.getresponse() as response:  # open, it would block the connection
                    _check_headers(response.headers)
                    parts = tuple(_parts(response, began))
            if limit.passed:
                raise TimeoutError("the response never ends")
            return Answer(
                status=response.status,
                content_type=response.headers.get("Content-Type", ""),
                body=b"".join(content for _, content in parts),
                headers={name.lower(): value for name, value in response.headers.items()},
                seconds=time.monotonic() - began,
                parts=tuple((at, len(content)) for at, content in parts),
            )
        except (OSError, http.client.HTTPException) as error:
            connection.close()  # a part of the answer may be left in it
            what, sign = f"no whole answer: {_reason(error)[:REASON]}", Sign.NOT_WHOLE
            if limit.passed or time.monotonic() - began >= limit.most:
                sign = Sign.NO_ANSWER if accepted else Sign.NO_CONNECTION
                what = f"no {'answer' if accepted else 'connection'} in {seconds:.0f} s"
            signs = (Sign.PING, sign) if path == "/ping" else (sign,)
            raise Broken(f"{method} {path} got {what}", *signs) from error

    def wait_for_health(
        self,
        seconds: float,
        still_runs: Callable[[], bool],
        say: Callable[[str], None] = lambda _waits: None,
    ) -> Health:
        """Request `/ping` until it answers 200, `seconds` have passed, or the server has ended.

        `say` gets progress messages. A server whose 200 always comes too late is healthy here:
        SERVE-02 reports that. Raises TooBusy if the limit cannot be judged.
        """
        plain = replace(self, limit=plain_limit)  # a late answer is requested again here
        limit = self.limit(seconds)
        began = time.monotonic()
        last = error = None
        slow = 0
        while not limit.expired() and still_runs():
            asked = time.monotonic()
            patience = PING_SECONDS if slow < PATIENCE else LATE_SECONDS
            try:
                last = plain.ask("GET", "/ping", seconds=min(patience, limit.left + PAUSE))
                if last.status == OK:
                    return Health(after=asked - began, last=last)
            except Broken as broken:  # the server may not listen yet
                error = broken
                slow += time.monotonic() - asked >= PING_SECONDS
            now = str(error) if last is None else f"GET /ping answers {last.status}"
            say(f"waiting for 200 from GET /ping: {now}")
            time.sleep(PAUSE)
        return Health(after=None, last=last, error=error, waited=time.monotonic() - began)


@dataclass(frozen=True, kw_only=True)
class Health:
    """Seconds until `/ping` answered 200, None if it never did; and its last answer of any kind.

    `error` is that of the last request without an answer.
    """

    after: float | None
    last: Answer | None
    error: Broken | None = None
    waited: float = 0.0

    @property
    def listens(self) -> bool:
        """Whether the last request was accepted, and none ever answered."""
        return self.last is None and Sign.NO_ANSWER in self.signs

    @property
    def signs(self) -> tuple[Sign, ...]:
        """Of a server that is not healthy."""
        if self.after is not None:
            return ()
        seen = self.last or self.error
        ping = () if seen is None else (Sign.PING, *seen.signs)
        return ping if self.last is not None else (*ping, Sign.UNREACHED)


def _check_headers(headers: http.client.HTTPMessage) -> None:
    """Raises HTTPException for headers that Python reads, but other clients and proxies refuse."""
    if any(isinstance(each, MissingHeaderBodySeparatorDefect) for each in headers.defects):
        raise http.client.HTTPException("one of its headers has no colon")
    for name, value in headers.items():
        if CONTROL.search(name + str(value)):
            raise http.client.HTTPException(f"its header {name!r} has a control character")
    lengths = dict.fromkeys(map(str.strip, headers.get_all("Content-Length", ())))
    if len(lengths) > 1:
        raise http.client.HTTPException(f"its Content-Length is both {' and '.join(lengths)}")
    if any(not each.isdecimal() for each in lengths):
        raise http.client.HTTPException(f"its Content-Length is {', '.join(map(repr, lengths))}")


def _reason(error: Exception) -> str:
    """Why there is no whole answer. A connection that is closed too early is an OSError, too."""
    if isinstance(error, http.client.BadStatusLine) and not isinstance(error, OSError):
        return f"it is not HTTP, but begins with {str(error).strip()!r}"
    return str(error) or type(error).__name__


def _parts(response: http.client.HTTPResponse, began: float) -> Iterator[tuple[float, bytes]]:
    left = LARGEST_BODY
    while left > 0 and (content := response.read1(min(left, PART))):
        left -= len(content)
        yield time.monotonic() - began, content
    if left > 0 and response.length:
        raise http.client.IncompleteRead(b"", response.length)
