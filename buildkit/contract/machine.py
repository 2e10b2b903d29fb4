"""How slow the engine's machine is right now, so that no image is blamed for it.

SageMaker's limits are meant for a machine that has nothing else to do; the one that tests may be
full of other work. So a limit is not over when the clock says so: when half of it has passed, and
at its end, a reference program, which only counts, is started beside the container. How much longer
it takes than it computes is what every program on this machine loses; how much the container has
computed meanwhile says what it has lost by that. A container that sleeps is not excused, one that
wants a processor and does not get it is.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from buildkit.contract.checks import TooBusy
from buildkit.contract.engine import Start

if TYPE_CHECKING:
    from buildkit.contract.engine import Container, Engine
    from buildkit.contract.scenario import Bench

MOST = 10
"""No wait lasts longer than so many times its limit: what is not over by then is not judged."""
EXHAUSTED = re.compile(
    r"resource temporarily unavailable|cannot allocate memory|no space left on device|"
    r"too many open files",
    re.IGNORECASE,
)
"""Why an engine starts no container whatsoever."""
NEARLY = 0.95
"""What is measured is not exact: so much of a limit is the whole of it."""
EARLY_SECONDS = 0.25
"""Of a wait, until it is worth a look at what the container computes; most are over by then."""
REFERENCE = Start(
    entrypoint=(
        "/bin/sh",
        "-c",
        "echo; i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; times",
    )
)
"""The reference program: it prints a line, counts, and prints what processor time that took."""
REFERENCE_SECONDS = 300
"""Only ends a hang: the reference takes less than one second on a machine at rest."""
COUNTED = re.compile(r"(\d+)m(\d+)[.,](\d+)s (\d+)m(\d+)[.,](\d+)s")
"""Minutes and seconds of a shell's `times`: as the user, and in the kernel."""
SOME_BYTES = bytes(32 * 1024 * 1024)


@dataclass(kw_only=True)
class Limit:
    """A limit in seconds from now on; where a `meter` is given, of a machine at rest."""

    seconds: float
    meter: Meter | None = None
    passed: bool = False

    def __post_init__(self) -> None:
        self._began: float = time.monotonic()
        on_the_way = (min(EARLY_SECONDS, self.seconds / 8), self.seconds / 2)
        self._looks: list[float] = [*(on_the_way if self.meter is not None else ()), self.seconds]

    @property
    def left(self) -> float:
        """Seconds until `expired` is to be asked: it may be over, or has something to look at."""
        return max(self._began + self._looks[0] - time.monotonic(), 0.0)

    @property
    def most(self) -> float:
        """Seconds after which it is over, or cannot be judged."""
        return self.seconds if self.meter is None else self.seconds * MOST

    def expired(self) -> bool:
        """Whether it is over, which stays so. Raises Unseen if that cannot be judged."""
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
                f"only {counts:.0f} of {waited:.0f} s count, and the limit is "
                f"{self.seconds:.0f} s; test again when the machine is quieter"
            )
        else:
            share = max(counts / waited, 1 / MOST)
            self._looks = [waited + max((self.seconds - counts) / share, 0.1)]
        return self.passed


@dataclass(kw_only=True)
class Meter:
    """What a container computes while it is waited for, and how slow the machine is meanwhile."""

    machine: Machine
    container: Container
    _slowdowns: list[float] = field(default_factory=list)
    _before: tuple[float, float | None] | None = None

    def look(self) -> None:
        """The first time at what it has computed so far, then at the machine."""
        if self._before is None:
            self._before = self._now()
        else:
            self._slowdowns.append(self.machine.slowdown())

    def counted(self, waited: float) -> float:
        """Of the seconds waited, those that a machine at rest had needed."""
        if self._before is None:  # nobody has looked in time
            self._before = (time.monotonic() - waited, None)
        (began, before), (now, after) = self._before, self._now()
        self._slowdowns.append(self.machine.slowdown())
        slowdown = sum(self._slowdowns) / len(self._slowdowns)
        if before is None or after is None:  # unknown: all of it may be the machine's fault
            return waited / slowdown
        busy = (after - before) / max(now - began, 0.001)
        return waited * max(1 - (slowdown - 1) * busy, 1 / slowdown)

    def _now(self) -> tuple[float, float | None]:
        return time.monotonic(), self.container.processor_seconds()


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The machine of an engine, and an image on it whose shell, if it has one, can count."""

    engine: Engine
    image: str

    def limit(self, container: Container, seconds: float) -> Limit:
        """A limit on what a container does from now on, in seconds of a machine at rest."""
        return Limit(seconds=seconds, meter=Meter(machine=self, container=container))

    def wait(self, container: Container, seconds: float) -> int | None:
        """The exit code, None if it still runs when `seconds` that count have passed."""
        limit = self.limit(container, seconds)
        while not limit.expired():
            if (code := container.wait(max(limit.left, 0.1))) is not None:
                return code
        return container.wait(0)

    def slowdown(self) -> float:
        """How many times longer a program takes here and now than it computes; 1 at rest."""
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


PATH_SHOWN = 300
"""Characters of a PATH that evidence shows."""


def started(container: Container) -> str | None:
    """Start it. Why the engine cannot, None if it can. Raises Unseen on an exhausted machine."""
    refusal = container.start()
    if refusal is not None and EXHAUSTED.search(refusal):
        raise TooBusy(f"the engine cannot start a container: {refusal}")
    return refusal


def refused(bench: Bench, container: Container) -> str | None:
    """The same for a container of the bench's image; of a program not found, with the PATH."""
    refusal = started(container)
    if refusal is None or "$PATH" not in refusal:
        return refusal
    path = bench.engine.view(bench.subject.image).environment.get("PATH")
    return refusal if path is None else f"{refusal.rstrip()}; PATH is {path[:PATH_SHOWN]!r}"


def of(bench: Bench) -> Machine:
    return Machine(engine=bench.engine, image=bench.subject.image)


def _here() -> float:
    """The same of this process, for an image without a shell."""
    began, computed = time.monotonic(), time.thread_time()
    hashlib.sha256(SOME_BYTES).digest()
    return max((time.monotonic() - began) / max(time.thread_time() - computed, 0.001), 1.0)
