"""How slow the engine's machine is right now, so that no image is blamed for it.

SageMaker's limits are meant for a machine that has nothing else to do; the one that tests may be
full of other work. So a limit is not over when the clock says so: first a reference program, which
only counts, is started beside the container. How much longer it takes than it computes is what
every program on this machine loses; how much the container computes says what it loses by that. A
container that sleeps is not excused, one that wants a processor and does not get it is.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from buildkit.contract.clause import Unseen
from buildkit.contract.world import Start

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkit.contract.bench import Bench
    from buildkit.contract.world import Container, Engine

MOST = 10
"""No wait lasts longer than so many times its limit: what is not over by then cannot be told."""
NEARLY = 0.95
"""What is measured is not exact: so much of a limit is the whole of it."""
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
COUNTED = re.compile(r"(\d+)m([\d.]+)s (\d+)m([\d.]+)s")
"""Minutes and seconds of a shell's `times`: as the user, and in the kernel."""
SOME_BYTES = bytes(32 * 1024 * 1024)


def plainly(waited: float) -> float:
    """Every second counts."""
    return waited


@dataclass(kw_only=True)
class Limit:
    """A limit in seconds from now on. `counted` says which of the seconds waited count."""

    seconds: float
    counted: Callable[[float], float] = plainly
    passed: bool = False
    _look: float | None = None

    def __post_init__(self) -> None:
        self._began = time.monotonic()

    @property
    def left(self) -> float:
        """Seconds until it may be over, and `expired` is to be asked."""
        look = self.seconds if self._look is None else self._look
        return max(self._began + look - time.monotonic(), 0.0)

    @property
    def most(self) -> float:
        """Seconds after which it is over, or cannot be told."""
        return self.seconds if self.counted is plainly else self.seconds * MOST

    def expired(self) -> bool:
        """Whether it is over, which stays so. Raises Unseen if that cannot be told."""
        if self.passed or self.left > 0:
            return self.passed
        waited = time.monotonic() - self._began
        counts = self.counted(waited)
        if counts >= NEARLY * self.seconds:
            self.passed = True
        elif waited >= self.most:
            raise _too_busy(waited, counts, self.seconds)
        else:
            share = max(counts / waited, 1 / MOST)
            self._look = waited + max((self.seconds - counts) / share, 0.1)
        return self.passed


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The machine of an engine, and an image on it whose shell, if it has one, can count."""

    engine: Engine
    image: str

    def limit(self, container: Container, seconds: float) -> Limit:
        """A limit on what a container does from now on, in seconds of a machine at rest."""
        return Limit(seconds=seconds, counted=partial(self.counted, container))

    def wait(self, container: Container, seconds: float) -> int | None:
        """The exit code, None if it still runs when `seconds` that count have passed."""
        limit = self.limit(container, seconds)
        while not limit.expired():
            if (code := container.wait(max(limit.left, 0.1))) is not None:
                return code
        return container.wait(0)

    def excuse(self, container: Container, waited: float, seconds: float) -> None:
        """Raise Unseen if it may be the machine's fault that a limit of `seconds` was passed."""
        counts = self.counted(container, waited)
        if counts < NEARLY * seconds:
            raise _too_busy(waited, counts, seconds)

    def counted(self, container: Container, waited: float) -> float:
        """Of the seconds that a container was waited for, those that a machine at rest had needed.

        By what it computes now, while the reference does.
        """
        before, began = container.processor_seconds(), time.monotonic()
        slowdown = self.slowdown()
        after, took = container.processor_seconds(), time.monotonic() - began
        busy = 0.0 if before is None or after is None else (after - before) / took
        return waited * max(1 - (slowdown - 1) * busy, 1 / slowdown)

    def slowdown(self) -> float:
        """How many times longer a program takes here and now than it computes; 1 at rest."""
        with self.engine.container(self.image, REFERENCE) as container:
            if container.start() is None and container.wait(REFERENCE_SECONDS) == 0:
                lines = container.lines()
                found = COUNTED.search("\n".join(line.text for line in lines))
                if found is not None:
                    minutes, seconds, more_minutes, more = map(float, found.groups())
                    computed = 60 * (minutes + more_minutes) + seconds + more
                    return max((lines[-1].at - lines[0].at) / max(computed, 0.01), 1.0)
        return _here()


def of(bench: Bench) -> Machine:
    return Machine(engine=bench.engine, image=bench.subject.image)


def _too_busy(waited: float, counts: float, seconds: float) -> Unseen:
    return Unseen(
        f"this machine is too busy to tell: of {waited:.0f} s only {counts:.0f} count, the limit "
        f"is {seconds:.0f} s"
    )


def _here() -> float:
    """The same of this process, for an image without a shell."""
    began, computed = time.monotonic(), time.thread_time()
    hashlib.sha256(SOME_BYTES).digest()
    return max((time.monotonic() - began) / max(time.thread_time() - computed, 0.001), 1.0)
