"""The command line as a process: what it said when it ended, or while it runs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.waiting import RUN_HANGS

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True)
class Result:
    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def closed_all(self) -> bool:
        """Whether it closed what it opened, if it ran in Python's development mode."""
        return "Warning" not in self.stderr and "Exception ignored" not in self.stderr


class Running:
    """A run of the command line that has not ended."""

    def __init__(self, argv: list[str], folder: Path, env: dict[str, str]) -> None:
        with ExitStack() as stack:
            self._said = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(2)]
            self.process = subprocess.Popen(
                argv, cwd=folder, env=env, stdin=subprocess.DEVNULL,
                stdout=self._said[0], stderr=self._said[1],
            )  # fmt: skip
            self._files = stack.pop_all()

    def says(self, text: str) -> None:
        """Wait until it has said this."""
        self.until(lambda: text in self._read(1))

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true, at the latest when it ends."""
        deadline = time.monotonic() + RUN_HANGS
        while True:
            last = self.has_ended()
            if true():
                return
            assert not last, self._read(1)
            assert time.monotonic() < deadline, self._read(1)
            time.sleep(0.02)

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def wait_for_its_handlers(self) -> None:
        """Wait until signals find the tool, and not a Python that is still loading it."""
        self.until(lambda: self.has_ended() or self._catches(signal.SIGHUP))

    def _catches(self, number: signal.Signals) -> bool:
        with suppress(OSError):  # it has just ended
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            caught = re.search(r"^SigCgt:\s*(\w+)", status, re.MULTILINE)
            return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)
        return False

    def end(self, seconds: float = RUN_HANGS) -> Result:
        """Wait until it has ended by itself. One that hangs is ended, and the test with it."""
        with self._files:
            try:
                code = self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self._kill()
                raise AssertionError(f"it has not ended:\n{self._read(1)}") from None
            return Result(code=code, stdout=self._read(0), stderr=self._read(1))

    def kill(self) -> None:
        """Nothing, if it has ended."""
        with self._files:
            self._kill()

    def _kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _read(self, number: int) -> str:
        # Not by seeking: the process shares the position.
        size = os.fstat(self._said[number].fileno()).st_size
        return os.pread(self._said[number].fileno(), size, 0).decode()
