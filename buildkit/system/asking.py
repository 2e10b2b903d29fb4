"""Questions on a terminal, which Ctrl-C ends at once."""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING

import click

from buildkit.support.errors import UsageError
from buildkit.system import console, stopping

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

LOOK_SECONDS = 0.1
"""Between two checks whether the run is to end."""


def is_possible() -> bool:
    """Whether a person is there to answer: stdin and stderr are a terminal."""
    return are_terminals(sys.stdin, sys.stderr)


def are_terminals(*streams: IO[str] | None) -> bool:
    """Whether all streams are terminals; a closed one is None in Python, and is none."""
    return all(each is not None and each.isatty() for each in streams)


def ask(question: str, default: str, problem: Callable[[str], str | None]) -> str:
    """An answer without a `problem`; an empty one is `default`. Raises UsageError at the end."""
    while True:
        click.echo(f"{question} [{default}]: ", nl=False, err=True)
        # A thread that waits in `readline` would not notice that the run is to end.
        while not select.select([sys.stdin], [], [], LOOK_SECONDS)[0]:
            stopping.check()
        line = sys.stdin.readline()
        if not line:
            click.echo(err=True)
            raise UsageError("no answer", hint="answer with options: `buildkit init --help`")
        answer = line.strip() or default
        if (wrong := problem(answer)) is None:
            return answer
        console.say(wrong, fg="yellow")
