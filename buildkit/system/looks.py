"""Looks at many things side by side, none of which can delay the answer beyond a deadline."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

from buildkit.system import stopping

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")
LOOK_SECONDS = 0.2
"""How long to wait before the next check for an interruption."""


class Look(Generic[Found]):
    """One look, in a thread that nobody waits for at the end of the program."""

    def __init__(self, work: Callable[[], Found], end: float) -> None:
        self._end = end
        self._done = threading.Event()
        self._found: Found | None = None
        self._error: BaseException | None = None
        self._work = work
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._found = self._work()
        except BaseException as error:  # noqa: BLE001 - `result` raises it where it is waited for
            self._error = error
        self._done.set()

    def result(self) -> Found | None:
        """What was found; None if that takes longer than the deadline.

        Raises what the work raised, and Interrupted when the run is to end.
        """
        while not self._done.wait(max(0.0, min(LOOK_SECONDS, self._end - time.monotonic()))):
            stopping.check()
            if time.monotonic() >= self._end:
                return None
        if self._error is not None:
            raise self._error
        return self._found


class Looks:
    """Starts looks that all end at the same deadline, `seconds` from now."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def start(self, work: Callable[[], Found]) -> Look[Found]:
        return Look(work, self._end)
