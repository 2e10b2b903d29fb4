"""Whether the run is to end. Everything that works or waits checks this.

Like signals, the state is one for the whole process. `ending` sets it, and nothing resets it.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a CI system that cancels, a terminal that is closed."""


class Interrupted(BaseException):
    """The run is ending. Not an Exception, so that no handler of errors catches or reports it."""


class Engine(Protocol):
    """An engine in which this run may have left things."""

    def sweep(self, *, last: bool) -> bool:
        """Remove them; wait longer the `last` time. False if the engine does not answer."""

    def left(self) -> tuple[str, ...]:
        """Lines on what could not be removed, with commands that do; empty if nothing is left."""

    def is_at(self, peer: object) -> bool:
        """Whether a connection to this socket address may be creating something there."""


_asked = threading.Event()
_engines: list[Engine] = []
_gentle: list[threading.Event] = []


def begin() -> None:
    """Ask everything that works or waits to end."""
    _asked.set()


def is_asked() -> bool:
    return _asked.is_set()


@contextmanager
def gently() -> Iterator[threading.Event]:
    """In this context, the first signal only sets the event: the work ends itself in its own way.

    The second signal interrupts the run.
    """
    asked = threading.Event()
    _gentle.append(asked)
    try:
        yield asked
    finally:
        _gentle.remove(asked)


def ask_gently() -> bool:
    """Ask the work to end itself. False if it does not, or was asked before."""
    waiting = [each for each in _gentle if not each.is_set()]
    for each in waiting:
        each.set()
    return bool(waiting)


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
    """Use an engine that must be swept if the run is interrupted meanwhile."""
    _engines.append(engine)
    try:
        yield
    finally:
        if not _asked.is_set():  # else `ending` sweeps it
            _engines.remove(engine)


def engines() -> tuple[Engine, ...]:
    return tuple(_engines)
