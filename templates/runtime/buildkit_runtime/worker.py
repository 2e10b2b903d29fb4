"""gunicorn's worker with threads, and more of them that only answer /ping.

/ping has two seconds (SERVE-02), and a prediction may take an hour: however many predictions run or
wait for a thread, a ping does not wait for one of them.
"""

from __future__ import annotations

import re
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable

from gunicorn.workers.gthread import ThreadWorker

# More than one: a client that stops in the middle of a ping keeps a thread.
_PING_THREADS = 4
_PING = re.compile(rb"[A-Z]+ /ping[ ?]")
_LONGEST_START = 16


class Threads(ThreadPoolExecutor):
    """Threads for requests, and some for pings."""

    def __init__(self, most: int) -> None:
        super().__init__(most, thread_name_prefix="request")
        self._pings = ThreadPoolExecutor(_PING_THREADS, thread_name_prefix="ping")

    def submit(self, handle: Callable[..., Any], /, connection: Any) -> Future[Any]:  # type: ignore[override]
        """Gunicorn calls it when the first bytes of a request are there."""
        if asks_for_ping(connection.sock):
            return self._pings.submit(handle, connection)
        return super().submit(handle, connection)


class Worker(ThreadWorker):  # type: ignore[misc]
    def get_thread_pool(self) -> Threads:
        return Threads(self.cfg.threads)


def asks_for_ping(connection: socket.socket) -> bool:
    """Look at a request and leave it there to be read."""
    try:
        start = connection.recv(_LONGEST_START, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        # Gone again, which the thread that reads it is used to.
        return False
    return _PING.match(start) is not None
