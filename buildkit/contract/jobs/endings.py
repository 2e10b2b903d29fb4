"""How a started container ends: by itself, by a signal, or by SIGKILL."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkit.contract import machine
from buildkit.contract.signs import Sign

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkit.contract.engine import Container
    from buildkit.contract.machine import Machine
    from buildkit.contract.scenario import Bench

    Then = Callable[[Bench, Container], "Ending"]
    """Waits for a started container to end, or makes it end."""

TRAIN_SECONDS = 600
"""How long `train` may take on samples."""
UNFED_SECONDS = 10
"""The same where no samples are declared: a longer wait would only show that the image waits."""
STOP_SECONDS = 120
"""From SIGTERM to SIGKILL of a training job (RUN-08)."""
SILENT_SECONDS = 60
"""How long a silent program may take to handle signals before it gets one."""
SPOKEN_SECONDS = 1
"""The same for a program that has printed something."""
READING_SECONDS = 10
"""How long a program that reads an endless file may take to handle signals, and then to end."""
AGAIN_SECONDS = 10
"""Between two signals to a program that may or may not handle them."""
LOOK_SECONDS = 0.1
"""Between two looks at whether a program handles a signal."""
METER_LOOK_SECONDS = 0.2
HANG_SECONDS = 300
"""Only ends a hang: from SIGKILL to the end."""
KILLED = 137
R = re.compile(r"\b(Rscript|R/bin|exec/R|bin/R)\b", re.IGNORECASE)
SHELL = re.compile(r"(\S*/)?(ba|da|a|z|k)?sh\b", re.IGNORECASE)
"""Command lines of R and of shells."""


@dataclass(frozen=True, kw_only=True)
class Signalled:
    """A container that got a signal, by its `name`, while it ran.

    `heard`: whether its first process handled the signal, None if unknown. `first` is the command
    of that process, `others` the number of processes beside it. `lines` is a minimum of the lines
    that it had printed.
    """

    heard: bool | None
    name: str = "SIGTERM"
    first: str = ""
    others: int = 0
    lines: int = 0

    @property
    def signs(self) -> tuple[Sign, ...]:
        """Why the program may not have ended."""
        found = {
            Sign.STOPSIGNAL: self.name not in ("SIGTERM", "SIGINT"),
            Sign.FIRST_IS_R: R.search(self.first),
            Sign.FIRST_IS_SHELL: SHELL.match(self.first),
        }
        return tuple(sign for sign, shows in found.items() if shows)

    @property
    def shown(self) -> str:
        """The process that got the signal, as a part of evidence."""
        return f": process 1 is `{self.first[:200]}`" if self.first else ""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a container ended. `killed` is the evidence that SIGKILL was needed, empty if not.

    `processor_seconds` is the time used until shortly before, if measured. `heard` is what became
    known after a signal was sent. `signalled` is None if no signal was sent, or if the container
    had ended by itself before.
    """

    exit_code: int | None
    killed: str = ""
    processor_seconds: float = 0.0
    heard: bool | None = None
    signalled: Signalled | None = None

    @property
    def evidence(self) -> str:
        """Why SIGKILL was needed, and which process had got the signal."""
        return f"{self.killed}{self.signalled.shown if self.signalled else ''}"

    @property
    def signs(self) -> tuple[Sign, ...]:
        return self.signalled.signs if self.signalled else ()


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When a signal is sent: not before these seconds and lines."""

    seconds: float = 0.0
    lines: int = 0


def within(seconds: float) -> Then:
    """Wait for the end, for `seconds` of an idle machine."""
    return lambda bench, container: Ending(exit_code=machine.of(bench).wait(container, seconds))


def to_its_end(bench: Bench, container: Container) -> Ending:
    return within(TRAIN_SECONDS)(bench, container)


def unfed(bench: Bench, container: Container) -> Ending:
    return within(UNFED_SECONDS)(bench, container)


def metered(bench: Bench, container: Container) -> Ending:
    """Wait for the end, and measure the processor time."""
    limit = machine.of(bench).limit(container, TRAIN_SECONDS)
    used = 0.0
    while (code := container.wait(METER_LOOK_SECONDS)) is None and not limit.expired():
        used = container.processor_seconds() or used
    return Ending(exit_code=code, processor_seconds=used)


def stop(moment: Moment) -> Then:
    """Send the stop signal at a moment, once it is handled; again if it may have been too early.

    Process 1 gets no signal that it does not handle yet. A program that prints gets the signal
    anyway.
    """

    def then(bench: Bench, container: Container) -> Ending:
        began, here = time.monotonic(), machine.of(bench)
        if (code := _until_heard(here, container, SILENT_SECONDS, SPOKEN_SECONDS)) is not None:
            return Ending(exit_code=code)
        while time.monotonic() - began < moment.seconds or len(container.lines()) < moment.lines:
            if (code := container.wait(0)) is not None:
                return Ending(exit_code=code)
            time.sleep(LOOK_SECONDS)
        return signal(here, container, STOP_SECONDS, name=container.stop_signal, lines=moment.lines)

    return then


def stop_reading(bench: Bench, container: Container) -> Ending:
    """The same for a program that reads an endless file, with a shorter wait."""
    here = machine.of(bench)
    if (code := _until_heard(here, container, READING_SECONDS)) is not None:
        return Ending(exit_code=code)
    return signal(here, container, READING_SECONDS, name=container.stop_signal)


def _until_heard(
    here: Machine, container: Container, seconds: float, spoken: float | None = None
) -> int | None:
    """Wait until the stop signal is handled, or long enough. The exit code if it ends before.

    `spoken` is how long to wait once the program has printed something.
    """
    limit = here.limit(container, seconds)
    while not container.hears(container.stop_signal) and not limit.expired():
        if (code := container.wait(0)) is not None:
            return code
        if spoken is not None and container.logs():
            limit, spoken = here.limit(container, spoken), None
        time.sleep(LOOK_SECONDS)
    return None


def signal(
    here: Machine,
    container: Container,
    seconds: float,
    *,
    name: str,
    lines: int = 0,
) -> Ending:
    """Send a signal, and wait `seconds` for the container to end; then kill it.

    `lines` is the number of lines that it has printed at least.
    """
    heard, processes = container.hears(name), container.processes()
    if (code := container.wait(0)) is not None:
        return Ending(exit_code=code)
    container.send(name)
    found = ending(here, container, seconds, name=name, heard=heard)
    signalled = Signalled(
        heard=heard or found.heard,
        name=name,
        first=processes[0].command if processes else "",
        others=max(len(processes) - 1, 0),
        lines=lines,
    )
    return replace(found, signalled=signalled)


def ending(
    here: Machine, container: Container, seconds: float, *, name: str, heard: bool | None = True
) -> Ending:
    """Wait `seconds` for a container that got a signal to end; then kill it.

    If it has not `heard` the signal, send it again once it handles signals; if that is unknown
    (None), send it repeatedly.
    """
    began, limit = time.monotonic(), here.limit(container, seconds)
    while not limit.expired():
        pause = LOOK_SECONDS if heard is False else AGAIN_SECONDS if heard is None else limit.left
        if (code := container.wait(max(min(pause, limit.left), LOOK_SECONDS))) is not None:
            return _ended(code, name, heard=heard)
        if heard is None:
            container.send(name)
        elif not heard and container.hears(name):
            container.send(name)
            return ending(here, container, seconds, name=name)
    if (code := container.wait(0)) is not None:  # an engine may report late
        return _ended(code, name, heard=heard)
    took = time.monotonic() - began
    container.send("SIGKILL")
    container.wait(HANG_SECONDS)
    killed = f"SIGKILL was needed {took:.0f} s after {name}"
    return Ending(exit_code=KILLED, killed=killed, heard=heard)


def _ended(code: int, name: str, *, heard: bool | None) -> Ending:
    at_once = code == KILLED and name == "SIGKILL"
    killed = "the container was killed at once: its STOPSIGNAL is not SIGTERM" if at_once else ""
    return Ending(exit_code=code, killed=killed, heard=heard)
