"""Whether the run is to end: what everything that works or waits looks at.

As signals are, it is one for the whole process. `ending` begins it, and nobody takes it back.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a CI that cancels, a terminal that is closed."""


class Interrupted(BaseException):
    """The run is ending. No error: what catches those must not hold it up, or report it."""


class Engine(Protocol):
    """Where this run may have left things."""

    def sweep(self, *, last: bool) -> bool:
        """Remove them; the `last` time with patience. False: the engine does not answer."""

    def left(self) -> tuple[str, ...]:
        """What could not be removed, and the commands that do; in lines, empty if nothing."""

    def is_at(self, peer: object) -> bool:
        """Whether a connection to this address of a socket may be making something there."""


_asked = threading.Event()
_engines: list[Engine] = []


def begin() -> None:
    """From now on nothing new is begun."""
    _asked.set()


def is_asked() -> bool:
    return _asked.is_set()


def check() -> None:
    """Raise Interrupted if the run is to end."""
    if _asked.is_set():
        raise Interrupted


def pause(seconds: float) -> None:
    """Sleep. Raises Interrupted at once when the run is to end."""
    if _asked.wait(seconds):
        raise Interrupted


@contextmanager
def using(engine: Engine) -> Iterator[None]:
    """An engine that has to be swept if the run is interrupted under it."""
    _engines.append(engine)
    try:
        yield
    finally:
        if not _asked.is_set():  # else it is swept when all have left
            _engines.remove(engine)


def engines() -> tuple[Engine, ...]:
    return tuple(_engines)
