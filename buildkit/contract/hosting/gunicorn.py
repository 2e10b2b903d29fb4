"""What is known of gunicorn in a container: that it killed a busy worker, and its time-out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildkit.contract.signs import Sign

if TYPE_CHECKING:
    from buildkit.contract.engine import Container

KILLED = "WORKER TIMEOUT"
"""What its log says of such a worker."""
OPTION = re.compile(r"(?:^|\s)(?:--timeout(?:\s+|=)|-t\s*)(\d+)")
ARGUMENTS = re.compile(r"(?:^|\0)GUNICORN_CMD_ARGS=([^\0]*)")
"""The variable whose options count where the command line has none."""


def killed(container: Container, within: float | None = None) -> tuple[str, tuple[Sign, ...]]:
    """The beginning of evidence if gunicorn has killed a busy worker, empty if it has not.

    `within`: only the last seconds count, such as those since a request began. They are seconds of
    the engine's clock, because that may differ from the clock of this machine.
    """
    since = 0.0 if within is None else container.now() - within
    if not any(KILLED in line.text and line.at >= since for line in container.lines()):
        return "", ()
    seconds = _seconds(container)
    limit = "its time-out" if seconds is None else f"its time-out of {seconds} s"
    evidence = f"gunicorn killed a worker that was busy for longer than {limit} ({KILLED}): "
    return evidence, (Sign.WORKER_KILLED,)


def _seconds(container: Container) -> str | None:
    """The time-out on its command line or in its variable, None if neither has one."""
    commands = [each.command for each in container.processes() if "gunicorn" in each.command]
    _, environment = container.execute("cat", "/proc/1/environ")
    found = map(OPTION.search, [*commands, *ARGUMENTS.findall(environment)])
    return next((each[1] for each in found if each), None)
