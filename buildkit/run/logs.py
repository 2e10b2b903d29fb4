"""What a container prints, line by line while it runs."""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from buildkit.system import console, stopping

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from buildkit.engine.containers import Container

LONGEST = 16 * 1024
"""Bytes of a line that are shown."""
PAUSE = 2.0
"""Seconds between two states of a progress bar."""
REST_SECONDS = 10
"""To show the last lines of a container that has ended."""
CODES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
"""What colours a terminal, moves its cursor, or sets its title."""


def lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """The lines of a log. Of a progress bar, which returns to the beginning of its line, a few."""
    rest, last = b"", time.monotonic()
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield _shown(line)
            last = time.monotonic()
        if len(rest) > LONGEST:
            rest = rest.rpartition(b"\r")[2][:LONGEST]
        if b"\r" in rest.rstrip(b"\r") and time.monotonic() - last >= PAUSE:
            yield _shown(rest.rpartition(b"\r")[0] if rest.endswith(b"\r") else rest)
            last, rest = time.monotonic(), b""
    if rest:
        yield _shown(rest)


def _shown(line: bytes) -> str:
    """What a terminal would show in the end, without colours."""
    text = line.rstrip(b"\r").rpartition(b"\r")[2][:LONGEST].decode("utf-8", "replace")
    return CODES.sub("", text)


@contextmanager
def shown(container: Container, name: str) -> Iterator[None]:
    """Show each line of a container, after a name, until the container or the context ends."""

    def show() -> None:
        try:
            for line in lines(container.follow()):
                console.say(f"{name} | {line}")
        except Exception as error:  # noqa: BLE001 - the container still works
            if not stopping.is_asked():
                console.say(f"{name}: the rest of the log cannot be read: {error}", fg="yellow")

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(REST_SECONDS)
