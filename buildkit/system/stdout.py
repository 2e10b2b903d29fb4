"""stdout: results for people and programs, which command neither a terminal nor a CI."""

from __future__ import annotations

import io
from typing import Any

from buildkit.system import console, stopping


class Answer(io.TextIOWrapper):
    """stdout, to which an interrupted run writes no partial result: it would look complete.

    Results quote images, registries and ledgers.
    """

    def __init__(self, stdout: Any) -> None:
        super().__init__(
            stdout.buffer, stdout.encoding, stdout.errors, line_buffering=stdout.line_buffering
        )
        self.begun = False

    def write(self, text: str) -> int:
        stopping.check()
        self.begun = True
        super().write(console.harmless(text))
        return len(text)

    def end(self, text: str) -> None:
        """Print the error of a failed or interrupted run, unless a result has been printed."""
        if not self.begun:
            self.begun = True
            super().write(console.harmless(f"{text}\n"))
            self.flush()
