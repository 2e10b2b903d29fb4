"""Talk to people, always on stderr. Data goes to stdout, and only from `commands`."""

from __future__ import annotations

import os
import threading

import click

_one_line_at_a_time = threading.Lock()


def say(message: str, **style: object) -> None:
    """Print one line of talk. `style` is `click.secho`'s: fg, dim, bold."""
    colour = False if os.environ.get("NO_COLOR") else None  # None: as the terminal can
    with _one_line_at_a_time:
        click.secho(_harmless(message), err=True, color=colour, **style)  # type: ignore[arg-type]


def _harmless(text: str) -> str:
    """What images, files and registries say may not command the terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def step(subject: str, message: str, **style: object) -> None:
    """Say what happens to one target."""
    say(f"{subject}  {message}", **style)


def fail(message: str, *, hint: str | None = None, details: str = "") -> None:
    say(f"error: {message}", fg="red")
    if details:
        say(details)
    if hint:
        say(f"hint: {hint}", fg="cyan")
