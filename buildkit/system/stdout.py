"""stdout: answers for people and programs, that command neither a terminal nor a CI."""

from __future__ import annotations

import io
from typing import Any

from buildkit.system import console, stopping


class Answer(io.TextIOWrapper):
    """stdout, to which an interrupted run writes no half of an answer: it would be taken for one.

    What an answer holds may come from images, registries and ledgers.
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
        """The last line of a run that failed, also of an interrupted one; not after an answer."""
        if not self.begun:
            self.begun = True
            super().write(console.harmless(f"{text}\n"))
            self.flush()
