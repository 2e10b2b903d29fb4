"""How containers end: by themselves, or as SageMaker stops them, with a signal and then SIGKILL."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from buildkit.system import console

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from buildkit.contract.engine import Container

LOOK_SECONDS = 0.25
HANG_SECONDS = 60
"""From SIGKILL to the end; only ends a hang."""
GRACE_SECONDS = 15
"""How long the other hosts run after one has failed."""
AGAIN = "press Ctrl-C again to kill it now"


@dataclass(kw_only=True)
class Ending:
    """Waits until all containers have ended. `seconds` is the time from the signal to SIGKILL.

    `asked` is set when somebody wants them to stop. `codes` are the exit codes so far. `stopped`:
    they got the signal because somebody asked, and none had failed before.
    """

    containers: Mapping[str, Container]
    seconds: float
    asked: threading.Event
    codes: dict[str, int] = field(default_factory=dict)
    killed: tuple[str, ...] = ()
    stopped: bool = False
    _failed_at: float | None = None
    _until: float | None = None

    def wait(self) -> None:
        while not self.look():
            self.asked.wait(LOOK_SECONDS) if self._until is None else time.sleep(LOOK_SECONDS)

    def look(self) -> bool:
        """Whether all have ended. Sends the signals that are due."""
        for name, container in self.containers.items():
            if name not in self.codes and (code := container.wait(0)) is not None:
                self.codes[name] = code
                if code != 0 and self._failed_at is None:
                    self._failed_at = time.monotonic()
        running = [name for name in self.containers if name not in self.codes]
        if running and self._until is None and self._is_due():
            self._stop(running)
        elif running and self._until is not None and time.monotonic() >= self._until:
            self._kill(running)
        return not running or bool(self.killed)

    def _is_due(self) -> bool:
        over = self._failed_at is not None and time.monotonic() - self._failed_at >= GRACE_SECONDS
        return self.asked.is_set() or over

    def _stop(self, running: list[str]) -> None:
        self.stopped = self._failed_at is None
        name = self.containers[running[0]].stop_signal
        why = f"; {AGAIN}" if self.asked.is_set() else ", because another host has failed"
        console.say(
            f"stopping {' and '.join(running)}: {name}, and SIGKILL after {self.seconds:.0f} s{why}"
        )
        for each in running:
            container = self.containers[each]
            container.send(container.stop_signal)
        self._until = time.monotonic() + self.seconds

    def _kill(self, running: list[str]) -> None:
        self.killed = tuple(running)
        for name in running:
            self.containers[name].send("SIGKILL")
        for name in running:
            code = self.containers[name].wait(HANG_SECONDS)
            if code is not None:
                self.codes[name] = code
        console.say(
            f"{' and '.join(running)} did not end in {self.seconds:.0f} s: SIGKILL was needed",
            fg="yellow",
        )
