"""Run a child: forward stop signals to its group, reap as PID 1, keep the end of its stderr."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Callable, cast

from buildkit_runtime.failure import JobFailure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import FrameType

# Training and hosting are stopped with SIGTERM, processing with SIGINT (RUN-08, RUN-10).
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_STDERR = 2
_TAIL_BYTES = 64 * 1024
# A daemon of the script may keep stderr open forever (OUT-06).
_DRAIN_SECONDS = 2.0


@dataclass(frozen=True)
class Outcome:
    """How a child ended: its exit code, or the negative number of the signal that killed it."""

    code: int
    stopped_by: int | None
    stderr: str


class Stopper:
    """Receives stop signals, and passes them on to the process group of the child."""

    def __init__(self) -> None:
        self.stopped_by: int | None = None
        self._group: int | None = None
        self._starting = False

    def receive(self, number: int, _frame: FrameType | None) -> None:
        self.stopped_by = number
        if self._group is not None:
            _signal_group(self._group, number)
        elif not self._starting:
            raise stopped(number)

    @contextmanager
    def guarding(
        self, start: Callable[[], subprocess.Popen[bytes]]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start the child. A signal during the start is passed on too."""
        self._starting = True
        try:
            child = start()
            self._group = child.pid
            if self.stopped_by is not None:
                _signal_group(child.pid, self.stopped_by)
            yield child
        finally:
            self._starting = False
            self._group = None


class _Tail(threading.Thread):
    """Copies a child's stderr to ours at once, and keeps its end."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._kept = b""

    def run(self) -> None:
        with self._stream:
            while True:
                chunk = os.read(self._stream.fileno(), _TAIL_BYTES)
                if not chunk:
                    return
                self._kept = (self._kept + chunk)[-_TAIL_BYTES:]
                # Not through sys.stderr: a daemon thread that holds its lock can abort our exit.
                while chunk:
                    chunk = chunk[os.write(_STDERR, chunk) :]

    def finish(self) -> str:
        self.join(_DRAIN_SECONDS)
        return self._kept.decode("utf-8", "replace")


@contextmanager
def stop_signals() -> Iterator[Stopper]:
    """Handle SIGTERM and SIGINT: a PID 1 without handlers ignores them (RUN-11, TTK-13)."""
    stopper = Stopper()
    previous = {number: signal.signal(number, stopper.receive) for number in _STOP_SIGNALS}
    try:
        yield stopper
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def stopped(number: int) -> JobFailure:
    return JobFailure(f"stopped by {signal.Signals(number).name}", code=128 + number)


def run(
    command: Sequence[str], directory: Path, variables: Mapping[str, str], stopper: Stopper
) -> Outcome:
    """Run a command and wait for its end."""
    with stopper.guarding(partial(_start, command, directory, variables)) as child:
        tail = _Tail(cast("IO[bytes]", child.stderr))
        tail.start()
        child.returncode = _reap_until(child.pid)
        stderr = tail.finish()
    return Outcome(code=child.returncode, stopped_by=stopper.stopped_by, stderr=stderr)


def _start(
    command: Sequence[str], directory: Path, variables: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start in a new session, so that the whole group gets signals; without stdin (RUN-07)."""
    try:
        return subprocess.Popen(
            list(command),
            cwd=directory,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise JobFailure(f"cannot start `{command[0]}` in {directory}: {error}") from error


def _reap_until(child: int) -> int:
    """Reap every child, also adopted orphans, until `child` has ended."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        # The group has just ended.
        return
