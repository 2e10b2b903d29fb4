"""GET /metrics: how many predictions were answered, and how fast, as Prometheus text (OBS-02).

Any worker may answer, so all of them count in memory that they share. Each has a seat of its own
there: no two processes write the same number, and none can die while it holds a lock of others.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from itertools import accumulate
from mmap import mmap
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from buildkit_runtime.wsgi import Answer

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STATUSES = ("2xx", "3xx", "4xx", "5xx")
# Upper ends of the buckets, in seconds; the last one that SageMaker waits for is 60 (SERVE-07).
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)

# The numbers of one seat: a count for each status, one for each bucket, two more.
_BUCKETS = len(_STATUSES)
_SUM = _BUCKETS + len(_BOUNDS) + 1
_IN_PROGRESS = _SUM + 1
_WIDTH = _IN_PROGRESS + 1
_BYTES = 8


class Meter:
    """Created before the fork, with more seats than there are workers."""

    def __init__(self, seats: int) -> None:
        # Anonymous memory: serverless has no /dev/shm.
        self._numbers = memoryview(mmap(-1, seats * _WIDTH * _BYTES)).cast("d")
        self._seats = seats
        self._first = 0
        self._lock = threading.Lock()

    def take(self, seat: int) -> None:
        """Called before a worker is forked. What its predecessor has counted is kept."""
        self._first = min(seat, self._seats - 1) * _WIDTH
        self._numbers[self._first + _IN_PROGRESS] = 0

    def measured(self, answer: Answer) -> Answer:
        """The same function of a request, counted."""

        def counted(request: Request, **parts: Any) -> Response:
            self._add((_IN_PROGRESS, 1))
            began, status = time.monotonic(), 500
            try:
                response = answer(request, **parts)
                status = response.status_code
            except HTTPException as error:
                status = error.code or status
                raise
            finally:
                seconds = time.monotonic() - began
                self._add(
                    (_IN_PROGRESS, -1),
                    (min(max(status // 100, 2), 5) - 2, 1),
                    (_BUCKETS + bisect_left(_BOUNDS, seconds), 1),
                    (_SUM, seconds),
                )
            return response

        return counted

    def show(self, _request: Request) -> Response:
        return Response(self.text(), content_type=_CONTENT_TYPE)

    def text(self) -> str:
        """Of all workers together."""
        numbers = [sum(self._numbers[place::_WIDTH]) for place in range(_WIDTH)]
        lines = [
            "# HELP http_requests_total Requests for predictions that were answered.",
            "# TYPE http_requests_total counter",
        ]
        for status, number in zip(_STATUSES, numbers):
            lines.append(f'http_requests_total{{status="{status}"}} {number:.0f}')
        lines += [
            "# HELP http_requests_in_progress Requests for predictions that are in progress.",
            "# TYPE http_requests_in_progress gauge",
            f"http_requests_in_progress {numbers[_IN_PROGRESS]:.0f}",
            "# HELP http_request_duration_seconds Time to answer a request for a prediction.",
            "# TYPE http_request_duration_seconds histogram",
        ]
        counts = list(accumulate(numbers[_BUCKETS:_SUM]))
        for bound, number in zip((*map(str, _BOUNDS), "+Inf"), counts):
            lines.append(f'http_request_duration_seconds_bucket{{le="{bound}"}} {number:.0f}')
        lines += [
            f"http_request_duration_seconds_sum {numbers[_SUM]:.6f}",
            f"http_request_duration_seconds_count {counts[-1]:.0f}",
        ]
        return "\n".join(lines) + "\n"

    def _add(self, *changes: tuple[int, float]) -> None:
        with self._lock:
            for place, change in changes:
                self._numbers[self._first + place] += change
