"""How a container that was started comes to its end: by itself, by a signal, or by force."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.contract import machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkit.contract.bench import Bench
    from buildkit.contract.machine import Machine
    from buildkit.contract.world import Container

    Then = Callable[[Bench, Container], "Ending"]
    """What is done with a container that was started, until it has ended."""

TRAIN_SECONDS = 600
"""How long `train` may take on samples."""
STOP_SECONDS = 120
"""From SIGTERM to SIGKILL of a training job (RUN-08)."""
SILENT_SECONDS = 60
SPOKEN_SECONDS = 1
"""How long a program that says nothing, or has said something, may take to listen to signals."""
LOOK_SECONDS = 0.1
"""Between two looks at whether it listens."""
METER_LOOK_SECONDS = 0.2
HANG_SECONDS = 300
"""Only ends a hang: from SIGKILL to the end."""
KILLED = 137


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a container ended. `killed` is the evidence that SIGKILL was needed, empty if not.

    `processor_seconds` it had used shortly before, where that was looked at.
    """

    exit_code: int | None
    killed: str = ""
    processor_seconds: float = 0.0


def within(seconds: float) -> Then:
    """Wait for the end, so long on a machine at rest."""
    return lambda bench, container: Ending(exit_code=machine.of(bench).wait(container, seconds))


def to_its_end(bench: Bench, container: Container) -> Ending:
    return within(TRAIN_SECONDS)(bench, container)


def metered(bench: Bench, container: Container) -> Ending:
    """Wait for the end, and look now and then how much it has computed."""
    limit = machine.of(bench).limit(container, TRAIN_SECONDS)
    used = 0.0
    while (code := container.wait(METER_LOOK_SECONDS)) is None and not limit.expired():
        used = container.processor_seconds() or used
    return Ending(exit_code=code, processor_seconds=used)


def stop(bench: Bench, container: Container) -> Ending:
    """SIGTERM as soon as it is heard, and once more if it may have come too early.

    The first process does not even see a signal before it has said what to do with it. One that
    prints, and has not said so, gets it all the same.
    """
    here, heard = machine.of(bench), container.catches(signal.SIGTERM)
    limit, silent = here.limit(container, SILENT_SECONDS), True
    while not heard and not limit.expired():
        if (code := container.wait(0)) is not None:
            return Ending(exit_code=code)
        if silent and container.logs():
            limit, silent = here.limit(container, SPOKEN_SECONDS), False
        time.sleep(LOOK_SECONDS)
        heard = container.catches(signal.SIGTERM)
    container.terminate()
    return ending(here, container, STOP_SECONDS, heard=bool(heard))


def ending(here: Machine, container: Container, seconds: float, *, heard: bool = True) -> Ending:
    """The end of a container that was asked to end: by itself within so many seconds, or killed.

    If it has not `heard` that, it is asked once more as soon as it listens.
    """
    began, limit = time.monotonic(), here.limit(container, seconds)
    while not limit.expired():
        pause = max(limit.left, LOOK_SECONDS) if heard else LOOK_SECONDS
        if (code := container.wait(pause)) is not None:
            return _ended(code)
        if not heard and container.catches(signal.SIGTERM):
            container.terminate()
            return ending(here, container, seconds)
    if (code := container.wait(0)) is not None:  # an engine may be slow to tell
        return _ended(code)
    took = time.monotonic() - began
    container.send("SIGKILL")
    container.wait(HANG_SECONDS)
    return Ending(exit_code=KILLED, killed=f"SIGKILL was needed {took:.0f} s after SIGTERM")


def _ended(code: int) -> Ending:
    at_once = "it was killed at once: its STOPSIGNAL is not SIGTERM"
    return Ending(exit_code=code, killed=at_once if code == KILLED else "")
