"""How slow the engine's machine is right now, so that no image fails for that.

SageMaker's limits assume an idle machine; the machine of a test may be busy. So the clock alone
does not end a limit. Half-way through it, and at its end, a reference program, which only counts,
runs beside the container. The ratio of its elapsed time to its processor time is how much every
program on this machine is slowed down; the processor time of the container shows how much of its
wait that explains. A container that sleeps is not excused; one that waits for a processor is.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from buildkit.contract.checks import TooBusy
from buildkit.contract.engine import Refusal, Start
from buildkit.contract.image import files
from buildkit.contract.signs import Sign

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkit.contract.engine import Container, Engine, ImageView
    from buildkit.contract.scenario import Bench

Value = TypeVar("Value")

MOST = 10
"""No wait lasts longer than this many times its limit; then the clause is not judged."""
EXHAUSTED = re.compile(
    r"resource temporarily unavailable|cannot allocate memory|no space left on device|"
    r"too many open files",
    re.IGNORECASE,
)
"""Why an engine cannot start any container."""
NEARLY = 0.95
"""Measurements are not exact: this share of a limit counts as the whole."""
EARLY_SECONDS = 0.25
"""Seconds before the container's processor time is read; most waits are over sooner."""
REFERENCE = Start(
    entrypoint=(
        "/bin/sh",
        "-c",
        "echo; i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; times",
    )
)
"""The reference program: prints a line, counts, and prints the processor time of that."""
REFERENCE_SECONDS = 300
"""Only ends a hang: the reference takes less than one second on an idle machine."""
COUNTED = re.compile(r"(\d+)m(\d+)[.,](\d+)s (\d+)m(\d+)[.,](\d+)s")
"""Minutes and seconds of a shell's `times`: as the user, and in the kernel."""
SOME_BYTES = bytes(32 * 1024 * 1024)


@dataclass(kw_only=True)
class Limit:
    """A limit in seconds from now; with a `meter`, in seconds of an idle machine."""

    seconds: float
    meter: Meter | None = None
    passed: bool = False

    def __post_init__(self) -> None:
        self._began: float = time.monotonic()
        on_the_way = (min(EARLY_SECONDS, self.seconds / 8), self.seconds / 2)
        self._looks: list[float] = [*(on_the_way if self.meter is not None else ()), self.seconds]

    @property
    def left(self) -> float:
        """Seconds until `expired` should be called: the limit may be over, or needs a reading."""
        return max(self._began + self._looks[0] - time.monotonic(), 0.0)

    @property
    def most(self) -> float:
        """Seconds after which the limit is over, or cannot be judged."""
        return self.seconds if self.meter is None else self.seconds * MOST

    def expired(self) -> bool:
        """Whether the limit is over, now and forever. Raises TooBusy if that cannot be judged."""
        if self.passed or self.left > 0:
            return self.passed
        waited = time.monotonic() - self._began
        if self.meter is not None and waited < self.seconds:
            self.meter.look()
            self._looks.pop(0)
            return False
        counts = waited if self.meter is None else self.meter.counted(waited)
        if counts >= NEARLY * self.seconds:
            self.passed = True
        elif waited >= self.most:
            raise TooBusy(
                f"{waited:.0f} s passed, of which {counts:.0f} s count towards the limit of "
                f"{self.seconds:.0f} s; rerun when the machine is less busy"
            )
        else:
            share = max(counts / waited, 1 / MOST)
            self._looks = [waited + max((self.seconds - counts) / share, 0.1)]
        return self.passed


@dataclass(kw_only=True)
class Meter:
    """The processor time of a container during a wait, and how slow the machine is meanwhile."""

    machine: Machine
    container: Container
    _slowdowns: list[float] = field(default_factory=list)
    _before: tuple[float, float | None] | None = None

    def look(self) -> None:
        """Read the container's processor time first, and the machine's slowdown later."""
        if self._before is None:
            # The engine may take its time: the clock is read after this reading, and before the
            # next, so that the container's share of a processor is never taken for a smaller one.
            before = self.container.processor_seconds()
            self._before = (time.monotonic(), before)
        else:
            self._slowdowns.append(self.machine.slowdown())

    def counted(self, waited: float) -> float:
        """How many of the seconds waited an idle machine would have needed."""
        if self._before is None:  # the first reading was missed
            self._before = (time.monotonic() - waited, None)
        began, before = self._before
        now = time.monotonic()
        after = self.container.processor_seconds()
        self._slowdowns.append(self.machine.slowdown())
        slowdown = sum(self._slowdowns) / len(self._slowdowns)
        if before is None or after is None:  # unknown: all of it may be due to the machine
            return waited / slowdown
        busy = (after - before) / max(now - began, 0.001)
        return waited * max(1 - (slowdown - 1) * busy, 1 / slowdown)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The machine of an engine, and an image whose shell, if it has one, runs the reference."""

    engine: Engine
    image: str

    def limit(self, container: Container, seconds: float) -> Limit:
        """A limit for a container from now on, in seconds of an idle machine."""
        return Limit(seconds=seconds, meter=Meter(machine=self, container=container))

    def wait(self, container: Container, seconds: float) -> int | None:
        """The exit code, None if the container still runs after `seconds` of an idle machine."""
        limit = self.limit(container, seconds)
        while not limit.expired():
            if (code := container.wait(max(limit.left, 0.1))) is not None:
                return code
        return container.wait(0)

    def measured(self, work: Callable[[], Value]) -> tuple[Value, float]:
        """What `work` returns, and the slowdown of the machine meanwhile, at least."""
        before = self.slowdown()
        done = work()
        return done, min(before, self.slowdown())

    def slowdown(self) -> float:
        """The ratio of elapsed to processor time of a program right now; 1 on an idle machine."""
        with self.engine.container(self.image, REFERENCE) as container:
            if container.start() is None and container.wait(REFERENCE_SECONDS) == 0:
                lines = container.lines()
                found = COUNTED.search("\n".join(line.text for line in lines))
                if found is not None:
                    minutes, seconds, part, more_minutes, more, more_part = found.groups()
                    computed = 60.0 * (int(minutes) + int(more_minutes))
                    computed += float(f"{seconds}.{part}") + float(f"{more}.{more_part}")
                    return max((lines[-1].at - lines[0].at) / max(computed, 0.01), 1.0)
        return _here()


def at_rest(seconds: float, processor_seconds: float | None, slowdown: float) -> float:
    """How long a program that took `seconds` would have taken on an idle machine.

    None: its processor time is unknown, and the machine is not taken into account.
    """
    if processor_seconds is None:
        return seconds
    delay = (slowdown - 1) * processor_seconds
    return max(seconds - delay, seconds / slowdown, processor_seconds)


PROGRAM = re.compile(
    r"""exec(?:utable file|:) ["'`]([^"'`]+)["'`].*(?:not found|no such file)""", re.IGNORECASE
)
"""The program that an engine cannot find."""
NO_USER = re.compile(
    r"uids and gids must be|unable to find (user|group)|no matching entries in", re.IGNORECASE
)
"""Why an engine cannot start any program of an image."""
PATH_SHOWN = 300
"""Characters of a PATH that evidence shows."""


def started(container: Container) -> str | None:
    """Start a container. Returns why the engine cannot, or None. Raises TooBusy if exhausted."""
    refusal = container.start()
    if refusal is not None and EXHAUSTED.search(refusal):
        raise TooBusy(f"the engine cannot start a container: {refusal}")
    return refusal


def refused(bench: Bench, container: Container) -> Refusal | None:
    """Start a container of the bench's image. A missing program is explained."""
    refusal = started(container)
    if refusal is None:
        return None
    program = PROGRAM.search(refusal)
    if program is None:
        return Refusal(refusal, (Sign.NO_USER,) if NO_USER.search(refusal) else ())
    view = bench.engine.view(bench.subject.image)
    return _not_found(program[1], view, container, refusal.rstrip())


def _not_found(program: str, view: ImageView, container: Container, refusal: str) -> Refusal:
    """Why an engine does not find a program, after its own words."""
    path = view.environment.get("PATH")
    searched = ""
    if "/" not in program:
        if folder := files.folder_on_path(container, view.environment, program):
            return Refusal(f"{refusal}; {folder} is a folder", (Sign.FOLDER_ON_PATH,))
        searched = "" if path is None else f"; PATH is {path[:PATH_SHOWN]!r}"
        if path == "":
            return Refusal(f"{refusal}{searched}", (Sign.EMPTY_PATH,))
    if view.entrypoint[:1] == (program,):
        said = f"{refusal}; `{program}` is the image's ENTRYPOINT{searched}"
        return Refusal(said, (Sign.NO_ENTRYPOINT,))
    return Refusal(f"{refusal}{searched}")


def of(bench: Bench) -> Machine:
    return Machine(engine=bench.engine, image=bench.subject.image)


def _here() -> float:
    """The slowdown of this process, for an image without a shell."""
    began, computed = time.monotonic(), time.thread_time()
    hashlib.sha256(SOME_BYTES).digest()
    return max((time.monotonic() - began) / max(time.thread_time() - computed, 0.001), 1.0)
