"""gunicorn's worker with threads, plus threads that only answer /ping and /metrics.

/ping has two seconds (SERVE-02), and a prediction may take an hour: neither pings nor requests for
metrics (OBS-01) wait for predictions, however many of them run or wait for a thread.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Callable

from gunicorn.workers.gthread import ThreadWorker

# More than one: a client that stops in the middle of a request blocks a thread.
_QUICK_THREADS = 4
_QUICK = re.compile(rb"[A-Z]+ /(ping|metrics)[ ?]")
_LONGEST_START = 16
_LINGER_SECONDS = 2
_LINGER_BYTES = 64 * 1024


class Threads(ThreadPoolExecutor):
    """Threads for requests, and more for those that are answered at once."""

    def __init__(self, most: int) -> None:
        super().__init__(most, thread_name_prefix="request")
        self._quick = ThreadPoolExecutor(_QUICK_THREADS, thread_name_prefix="quick")

    def submit(self, handle: Callable[..., Any], /, connection: Any) -> Future[Any]:  # type: ignore[override]
        """Called by gunicorn when the first bytes of a request have arrived."""
        if is_quick(connection.sock):
            return self._quick.submit(handle, connection)
        return super().submit(handle, connection)


class Worker(ThreadWorker):  # type: ignore[misc]
    """Works with gunicorn 23, which is for Python 3.9, and with newer ones."""

    def get_thread_pool(self) -> Threads:
        return Threads(self.cfg.threads)

    def enqueue_req(self, connection: Any) -> None:
        """Called by gunicorn when a request arrives; by newer ones also for a new connection.

        Which threads a request needs is in its first bytes. A new connection waits for them as it
        later waits between two requests: without a thread.
        """
        if connection.initialized or has_arrived(connection.sock):
            connection.data_ready = True  # its thread need not wait for them again
            super().enqueue_req(connection)
            return
        connection.sock.settimeout(0)
        connection.set_timeout()
        self.keepalived_conns.append(connection)
        ready = partial(self.on_client_socket_readable, connection)
        self.poller.register(connection.sock, selectors.EVENT_READ, ready)

    def handle(self, connection: Any) -> Any:
        """Called in a thread. Newer ones return False for a connection that has to be closed.

        They then wait up to two seconds until the client closes it, too, in the thread that accepts
        connections: /ping would wait as well. If the socket is shut down, they do not wait. So the
        thread of the request waits here, but not one of the few for /ping, which has no body.
        """
        quick = is_quick(connection.sock)
        result = super().handle(connection)
        if result is False:
            if not quick:
                linger(connection.sock)
            with suppress(OSError):  # the client has closed it already
                connection.sock.shutdown(socket.SHUT_RDWR)
        return result


def linger(connection: socket.socket) -> None:
    """End the answer, and read what the client still sends: else the kernel may drop the answer."""
    end = time.monotonic() + _LINGER_SECONDS
    left = _LINGER_BYTES
    with suppress(OSError):  # also the time-out
        connection.shutdown(socket.SHUT_WR)
        while left > 0 and (wait := end - time.monotonic()) > 0:
            connection.settimeout(wait)
            received = len(connection.recv(left))
            left = left - received if received else 0


def is_quick(connection: socket.socket) -> bool:
    """Whether a request is for /ping or /metrics."""
    return _QUICK.match(_beginning(connection) or b"") is not None


def has_arrived(connection: socket.socket) -> bool:
    """Whether a request has begun, or the connection has ended."""
    return _beginning(connection) is not None


def _beginning(connection: socket.socket) -> bytes | None:
    """The first bytes of a request, which remain to be read; None before they arrive."""
    try:
        return connection.recv(_LONGEST_START, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        return b""  # the connection is closed: the thread that reads it handles that
