"""The end of an interrupted run: in steps, each of which ends, and what is left is named.

The work runs in other threads. It learns of the end wherever it waits: processes are ended,
containers removed, connections shut. What does not notice in time is left behind: nothing waits
for an engine that hangs.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

from buildkit.system import console, shell, sockets, stopping, tempdirs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

ENGINE_SECONDS = 120
"""For the engine to answer what the work has asked it: it may be making what has to be removed."""
WORK_SECONDS = 240
"""For the work to notice. Only what hangs takes as long: all that it waits for has ended."""
ALONE_SECONDS = 30
"""The same where no engine is in use: then nothing is left behind, whatever the work waits for."""
LOOK_SECONDS = 0.5
"""Between two looks at whether the work has ended."""
TELL_SECONDS = 5
"""Before it is told what the end is waiting for."""
AGAIN_SECONDS = 30
"""Before the same is told again."""
WORDS_SECONDS = 10
"""For the last words: whoever should read them may have stopped reading."""


def end(work: threading.Thread, own: Collection[int]) -> tuple[str, ...]:
    """End the work and all that it started; in lines, what could not be removed.

    `own` are the open files that do not belong to the work.
    """
    began = time.monotonic()
    hangs = False
    with _telling() as step:
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
            if not hangs:  # also while the work goes on: it may wait for its containers
                answers = [each.sweep(last=not at_work) for each in stopping.engines()]
                hangs = not all(answers)
            step("waiting for the work in progress to end")
            work.join(LOOK_SECONDS)
        step("removing temporary files")
        tempdirs.remove_all()
    return tuple(line for each in stopping.engines() for line in each.left())


def say(lines: Collection[str], answer: Callable[[], None]) -> None:
    """Last words, if anybody still listens; `answer` gives those on stdout."""

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


def leave(code: int) -> NoReturn:
    """End the process, whatever its threads do.

    Python's own end would also try to write what a terminal did not take, and change the exit code
    if that is gone.
    """
    os._exit(code)


def _shut(own: Collection[int], *, engines: bool) -> None:
    """End every wait for a connection, perhaps also to engines."""

    def spare(peer: object) -> bool:
        return not engines and any(each.is_at(peer) for each in stopping.engines())

    sockets.shut(sockets.descriptors() - frozenset(own), spare)


@contextmanager
def _telling() -> Iterator[Callable[[str], None]]:
    """Say which step it is, when the end takes longer than one expects."""
    now, ended = "", threading.Event()
    told: dict[str, float] = {}  # the steps follow each other in a loop

    def tell() -> None:
        while not ended.wait(TELL_SECONDS):
            title, at = now, time.monotonic()
            if at - told.get(title, -AGAIN_SECONDS) >= AGAIN_SECONDS:
                told[title] = at
                with suppress(OSError, ValueError):
                    console.say(f"interrupted: {title}", dim=True)

    def step(title: str) -> None:
        nonlocal now
        now = title

    threading.Thread(target=tell, daemon=True).start()
    try:
        yield step
    finally:
        ended.set()
