"""Waiting in tests: for what is to happen, never for as long as it takes on a fast machine."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HANG = 600
"""Seconds after which something is taken to hang. A machine may be slow: nothing else ends by it."""

RUN_HANGS = 6 * HANG
"""The same of a run of the tool, which may build, test and publish many images."""


QUADRATIC = 100
TRIES = 3


def growth(work: Callable[[int], object], size: int) -> float:
    """How many times the processor's time of `size` it costs to do ten times as much.

    Ten where each part costs the same, QUADRATIC where each is compared with all others. What looks
    like the latter is measured again: others on the machine cost caches, too.
    """
    least = min(_cost(work, size) for _ in range(TRIES))
    found = math.inf
    for _ in range(TRIES):
        found = min(found, _cost(work, 10 * size) / least)
        if found < QUADRATIC / 4:
            break
    return found


def _cost(work: Callable[[int], object], size: int) -> float:
    began = time.process_time()
    work(size)
    return time.process_time() - began


def wait_until(claim: Callable[[], bool], otherwise: Callable[[], str] = lambda: "") -> None:
    """Wait for an event. What `otherwise` says is shown if it never comes."""
    deadline = time.monotonic() + HANG
    while not claim():
        assert time.monotonic() < deadline, f"it never became true\n{otherwise()}"
        time.sleep(0.02)
