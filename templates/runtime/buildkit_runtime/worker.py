"""gunicorn's worker with threads, plus threads that only answer /ping and /metrics.

/ping has two seconds (SERVE-02), and a prediction may take an hour: neither pings nor requests for
metrics (OBS-01) wait for predictions, however many of them run or wait for a thread.
"""

from __future__ import annotations

import re
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable

from gunicorn.workers.gthread import ThreadWorker

# More than one: a client that stops in the middle of a request blocks a thread.
_QUICK_THREADS = 4
_QUICK = re.compile(rb"[A-Z]+ /(ping|metrics)[ ?]")
_LONGEST_START = 16


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
    def get_thread_pool(self) -> Threads:
        return Threads(self.cfg.threads)


def is_quick(connection: socket.socket) -> bool:
    """Whether a request is for /ping or /metrics; does not consume its bytes."""
    try:
        start = connection.recv(_LONGEST_START, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        # The connection is closed: the thread that reads it handles that.
        return False
    return _QUICK.match(start) is not None
