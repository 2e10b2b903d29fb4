"""The end of an interrupted run: in steps, each with a time limit, and a list of what is left.

The work runs in other threads. Ending its processes, removing its containers and shutting its
connections wakes them up wherever they wait. A thread that does not notice in time is abandoned,
and so is an engine that hangs.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from buildkit.system import console, shell, sockets, stopping, tempdirs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

ENGINE_SECONDS = 120
"""For the engine to finish the work's requests: it may be creating something to be removed."""
WORK_SECONDS = 240
"""For the work to notice. Only a hanging thread takes longer: everything it awaits has ended."""
ALONE_SECONDS = 30
"""For the work to notice if no engine is in use: then an abandoned thread leaves nothing behind."""
LOOK_SECONDS = 0.5
"""Between two checks whether the work has ended."""
TELL_SECONDS = 5
"""Before a message says what the end is waiting for."""
AGAIN_SECONDS = 30
"""Before the same message is repeated."""
WORDS_SECONDS = 10
"""For the last messages: their reader may have stopped reading."""


def end(work: threading.Thread, own: Collection[int]) -> tuple[str, ...]:
    """End the work and everything it started. Returns lines on what could not be removed.

    `own` are the open files that do not belong to the work.
    """
    began = time.monotonic()
    hangs = False
    with _progress() as step:
        stopping.begin()
        at_work = True
        while at_work:
            waited = time.monotonic() - began
            patience = WORK_SECONDS if stopping.engines() else ALONE_SECONDS
            at_work = work.is_alive() and waited < patience
            step("ending processes")
            shell.end_all()
            step("ending connections")
            _shut(own, engines=hangs or waited > ENGINE_SECONDS)
            step("removing containers, volumes and networks")
            if not hangs:  # also while the work runs: it may wait for its containers
                answers = [each.sweep(last=not at_work) for each in stopping.engines()]
                hangs = not all(answers)
            step("waiting for the work in progress to end")
            work.join(LOOK_SECONDS)
        step("removing temporary files")
        tempdirs.remove_all()
    return tuple(line for each in stopping.engines() for line in each.left())


def say(lines: Collection[str], answer: Callable[[], None]) -> None:
    """Print the last messages, if anybody still reads them; `answer` prints the one on stdout."""

    def speak() -> None:
        with suppress(OSError, ValueError):  # the terminal is gone
            for line in lines:
                console.say(line, fg="yellow")
            console.say("interrupted", fg="red")
        with suppress(OSError, ValueError):
            answer()

    words = threading.Thread(target=speak, daemon=True)
    words.start()
    words.join(WORDS_SECONDS)


def _shut(own: Collection[int], *, engines: bool) -> None:
    """Shut the work's connections; those to engines only with `engines`."""

    def spare(peer: object) -> bool:
        return not engines and any(each.is_at(peer) for each in stopping.engines())

    sockets.shut(sockets.descriptors() - frozenset(own), spare)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Say which step is running, when the end takes long."""
    now, ended = "", threading.Event()
    said: dict[str, float] = {}  # the steps run in a loop

    def report() -> None:
        while not ended.wait(TELL_SECONDS):
            title, at = now, time.monotonic()
            if at - said.get(title, -AGAIN_SECONDS) >= AGAIN_SECONDS:
                said[title] = at
                with suppress(OSError, ValueError):
                    console.say(f"interrupted: {title}", dim=True)

    def step(title: str) -> None:
        nonlocal now
        now = title

    threading.Thread(target=report, daemon=True).start()
    try:
        yield step
    finally:
        ended.set()
