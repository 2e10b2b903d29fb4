"""The command line as a process: what it said when it ended, or while it runs."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Result:
    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


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

    def says(self, text: str, seconds: float = 60) -> None:
        """Wait until it has said this."""
        deadline = time.monotonic() + seconds
        while text not in (stderr := self._read(1)):
            assert self.process.poll() is None, stderr
            assert time.monotonic() < deadline, stderr
            time.sleep(0.02)

    def end(self, seconds: float) -> Result:
        code = self.process.wait(seconds)
        with self._files:
            return Result(code=code, stdout=self._read(0), stderr=self._read(1))

    def kill(self) -> None:
        """Nothing, if it has ended."""
        self.process.kill()
        self.process.wait()

    def _read(self, number: int) -> str:
        # Not by seeking: the process shares the position.
        size = os.fstat(self._said[number].fileno()).st_size
        return os.pread(self._said[number].fileno(), size, 0).decode()
