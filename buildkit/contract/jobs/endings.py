"""How a container that was started comes to its end: by itself, by a signal, or by force."""

from __future__ import annotations

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
"""How long a program that says nothing may take to listen to signals before it gets one."""
SPOKEN_SECONDS = 1
"""The same of one that has said something."""
AGAIN_SECONDS = 10
"""Between two signals to a program of which nobody can tell whether it listens."""
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
    here, name = machine.of(bench), container.stop_signal
    limit, silent = here.limit(container, SILENT_SECONDS), True
    while not (heard := container.hears(name)) and not limit.expired():
        if (code := container.wait(0)) is not None:
            return Ending(exit_code=code)
        if silent and container.logs():
            limit, silent = here.limit(container, SPOKEN_SECONDS), False
        time.sleep(LOOK_SECONDS)
    container.send(name)
    return ending(here, container, STOP_SECONDS, name=name, heard=heard)


def ending(
    here: Machine, container: Container, seconds: float, *, name: str, heard: bool | None = True
) -> Ending:
    """The end of a container that was asked to end by a signal: within so many seconds, or killed.

    If it has not `heard` that, it is asked once more as soon as it does; where nobody can tell
    (None), now and then.
    """
    began, limit = time.monotonic(), here.limit(container, seconds)
    while not limit.expired():
        pause = LOOK_SECONDS if heard is False else AGAIN_SECONDS if heard is None else limit.left
        if (code := container.wait(max(min(pause, limit.left), LOOK_SECONDS))) is not None:
            return _ended(code, name)
        if heard is None:
            container.send(name)
        elif not heard and container.hears(name):
            container.send(name)
            return ending(here, container, seconds, name=name)
    if (code := container.wait(0)) is not None:  # an engine may be slow to tell
        return _ended(code, name)
    took = time.monotonic() - began
    container.send("SIGKILL")
    container.wait(HANG_SECONDS)
    return Ending(exit_code=KILLED, killed=f"SIGKILL was needed {took:.0f} s after {name}")


def _ended(code: int, name: str) -> Ending:
    at_once = code == KILLED and name == "SIGKILL"
    killed = "it was killed at once: its STOPSIGNAL is not SIGTERM" if at_once else ""
    return Ending(exit_code=code, killed=killed)
