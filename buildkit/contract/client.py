"""HTTP to one container, with a limit on every wait."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.contract.clause import Broken
from buildkit.contract.serving import OK, Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LARGEST_BODY = 32 * 1024 * 1024
"""Bytes of an answer that are read: more than SageMaker passes on (SERVE-09)."""


@contextmanager
def _hung_up_after(seconds: float, connected: socket.socket) -> Iterator[None]:
    """End a connection in time. A socket's own time-out begins again with each byte."""

    def hang_up() -> None:
        with suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, hang_up)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@dataclass(frozen=True, kw_only=True)
class HttpClient:
    host: str
    port: int

    def ask(
        self,
        method: str,
        path: str,
        *,
        seconds: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        began = time.monotonic()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=seconds)
        try:
            connection.connect()
            with _hung_up_after(seconds, connection.sock):
                connection.request(method, path, body=body, headers=dict(headers or {}))
                response = connection.getresponse()
                content = response.read(LARGEST_BODY)
            if time.monotonic() - began >= seconds:
                raise TimeoutError("the answer has no end")
            return Answer(
                status=response.status,
                content_type=response.headers.get("Content-Type", ""),
                body=content,
            )
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            raise Broken(f"{method} {path} got no answer in {seconds:.0f} s: {reason}") from error
        finally:
            connection.close()

    def wait_for_health(self, seconds: float, still_runs: Callable[[], bool]) -> float | None:
        """Ask `/ping` until it answers 200. The seconds it took, None if it never did."""
        began = time.monotonic()
        while (waited := time.monotonic() - began) < seconds and still_runs():
            try:
                if self.ask("GET", "/ping", seconds=2).status == OK:
                    return waited
            except Broken:
                pass  # not listening yet
            time.sleep(0.1)
        return None
