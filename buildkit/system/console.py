"""What people read: messages on stderr, results on stdout, which only `commands` print.

Both quote images, files and registries, so this module escapes text that would command a terminal
or a CI system. CI systems read commands from the output of a step:

* GitHub's runner obeys a line that begins with `::name::` after any spaces, and `##[name]` anywhere
  in a line (`ActionCommand.cs` of actions/runner; so do Forgejo and act);
* Azure's agent obeys `##vso[…]` and `##[…]` anywhere; TeamCity obeys `##teamcity[…]`;
* the sections of GitLab and Travis need control characters.
"""

from __future__ import annotations

import io
import os
import re
import threading
import time
from typing import Any

import click

from buildkit.system import stopping

_one_line_at_a_time = threading.Lock()
PROGRESS_SECONDS = 10
"""Between two progress lines of long work."""
_COMMAND = re.compile(r"^([ \t]*):(?=:)|#(?=#[A-Za-z]*\[)", re.MULTILINE)


def say(message: str, **style: object) -> None:
    """Print one message. `style` is that of `click.secho`: fg, dim, bold."""
    colour = False if os.environ.get("NO_COLOR") else None  # None: as the terminal can
    with _one_line_at_a_time:
        click.secho(harmless(message), err=True, color=colour, **style)  # type: ignore[arg-type]


def readable(text: str) -> str:
    """Text with escapes for control characters, also for those that reverse text."""
    if text.isprintable():
        return text
    odd = (each for each in {*text} - {"\n", "\t"} if not each.isprintable())
    return text.translate({ord(each): repr(each)[1:-1] for each in odd})


def harmless(text: str) -> str:
    """Text that commands neither a terminal nor a CI system. JSON keeps its meaning.

    One character of each CI command becomes a JSON escape. `json.dumps` writes printable text, and
    no line that begins with a colon.
    """
    return _COMMAND.sub(_escaped, readable(text))


def _escaped(found: re.Match[str]) -> str:
    return f"{found[1]}\\u003a" if found[1] is not None else "\\u0023"


def step(subject: str, message: str, **style: object) -> None:
    """Say what happens to one target."""
    say(f"{subject}  {message}", **style)


def fail(message: str, *, hint: str | None = None, details: str = "") -> None:
    say(f"error: {message}", fg="red")
    if details:
        say(details)
    if hint:
        say(f"hint: {hint}", fg="cyan")


class Answer(io.TextIOWrapper):
    """stdout, to which an interrupted run writes no partial result: it would look complete."""

    def __init__(self, stdout: Any) -> None:
        super().__init__(
            stdout.buffer, stdout.encoding, stdout.errors, line_buffering=stdout.line_buffering
        )
        self.begun = False

    def write(self, text: str) -> int:
        stopping.check()
        self.begun = True
        super().write(harmless(text))
        return len(text)

    def end(self, text: str) -> None:
        """Print the error of a failed or interrupted run, unless a result has been printed."""
        if not self.begun:
            self.begun = True
            super().write(harmless(f"{text}\n"))
            self.flush()


class Pace:
    """When the next progress line is due; the first one is due PROGRESS_SECONDS after the start.

    No dataclass: each command would wait until `dataclasses` is loaded.
    """

    def __init__(self) -> None:
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether a line is due now. If so, the next one is due PROGRESS_SECONDS later."""
        now = time.monotonic()
        if now - self._last <= PROGRESS_SECONDS:
            return False
        self._last = now
        return True
