"""Logs of containers as evidence: their last lines, and a line that names a cause."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildkit.contract.engine import Line

TELLING = re.compile(
    r"WORKER TIMEOUT|while connecting to upstream|no live upstreams|upstream prematurely closed|"
    r"out of memory|Killed process|bus error|Segmentation fault",
    re.IGNORECASE,
)
"""Lines that name a cause, and may be followed by many that do not."""
PINGED = re.compile(r"\bGET /ping\b.*\b200\b")
"""A line of an access log about a good /ping of the suite."""


def telling(lines: Iterable[Line]) -> str:
    """The first line of a log that names a cause, empty if none does."""
    return next((line.text for line in lines if TELLING.search(line.text)), "")


def without_pings(lines: Iterable[str]) -> list[str]:
    """The lines of a log without those about /ping, unless all of them are."""
    lines = list(lines)
    others = [line for line in lines if not PINGED.search(line)]
    return others if any(line.strip() for line in others) else lines


def last_lines(log: str) -> str:
    """The end of a container's log, to end a sentence of evidence."""
    log = "\n".join(without_pings(log.splitlines()))
    return f"; its last lines:\n{log.rstrip()}" if log.strip() else "; it printed nothing"


def last_words(lines: Iterable[Line], log: str) -> str:
    """The same, after a line that names a cause, if it is not among the last ones."""
    found = telling(lines)
    named = f"; it said {found.strip()[:200]!r}" if found and found[:80] not in log else ""
    return f"{named}{last_lines(log)}"
