"""Talk to people, always on stderr. Data goes to stdout, and only from `commands`.

Both hold what images, files and registries say, so what commands a terminal or a CI is made
harmless here. A CI reads its commands from the output of a step:

* GitHub's runner takes a line that begins with `::name::` after any blanks, and `##[name]` anywhere
  in a line (`ActionCommand.cs` of actions/runner; Forgejo and act read them as well);
* Azure's agent takes `##vso[…]` anywhere, and `##[…]`; TeamCity takes `##teamcity[…]`;
* the sections of GitLab and Travis need control characters.
"""

from __future__ import annotations

import os
import re
import threading

import click

_one_line_at_a_time = threading.Lock()
_COMMAND = re.compile(r"^([ \t]*):(?=:)|#(?=#[A-Za-z]*\[)", re.MULTILINE)


def say(message: str, **style: object) -> None:
    """Print one line of talk. `style` is `click.secho`'s: fg, dim, bold."""
    colour = False if os.environ.get("NO_COLOR") else None  # None: as the terminal can
    with _one_line_at_a_time:
        click.secho(harmless(message), err=True, color=colour, **style)  # type: ignore[arg-type]


def readable(text: str) -> str:
    """Control characters, and those that turn the text around them, as their codes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def harmless(text: str) -> str:
    """Text that commands neither a terminal nor a CI; JSON keeps its meaning.

    One character of each command of a CI becomes an escape that JSON has, too. What JSON holds is
    printable, as `json.dumps` writes it, and a line of it begins with no colon.
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
