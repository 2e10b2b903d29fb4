"""A clause: one demand of SageMaker on an image, as a small function over something observed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from buildkit.model import ClauseResult, Level, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Observed = TypeVar("Observed")


class Broken(Exception):  # noqa: N818 - a clause is broken
    """The image breaks the clause; the text is the evidence."""


class Unseen(Exception):  # noqa: N818
    """The clause cannot be judged here; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Clause(Generic[Observed]):
    """`check` raises Broken or Unseen, or returns. `source` is the AWS page that demands it."""

    id: str
    level: Level
    title: str
    source: str
    hint: str
    check: Callable[[Observed], None]


def clause(
    id: str,  # noqa: A002 - the word that everybody uses for it
    title: str,
    *,
    source: str,
    hint: str,
    level: Level = Level.REQUIRED,
) -> Callable[[Callable[[Observed], None]], Clause[Observed]]:
    """Make a clause of a function."""

    def make(check: Callable[[Observed], None]) -> Clause[Observed]:
        return Clause(id=id, level=level, title=title, source=source, hint=hint, check=check)

    return make


def judge(clauses: Iterable[Clause[Observed]], observed: Observed) -> list[ClauseResult]:
    """Check each clause. A broken recommendation is a warning."""
    results = []
    for each in clauses:
        began = time.monotonic()
        status, message = Status.PASS, ""
        try:
            each.check(observed)
        except Broken as error:
            status = Status.FAIL if each.level is Level.REQUIRED else Status.WARN
            message = str(error)
        except Unseen as error:
            status, message = Status.SKIP, str(error)
        results.append(_result(each, status, message, time.monotonic() - began))
    return results


def skip(clauses: Iterable[Clause[Observed]], why: str) -> list[ClauseResult]:
    return [_result(each, Status.SKIP, why, 0.0) for each in clauses]


def last_lines(log: str) -> str:
    """The end of a container's log, as the end of a sentence of evidence."""
    return f"; its last lines:\n{log.rstrip()}" if log.strip() else "; it printed nothing"


def _result(each: Clause[Observed], status: Status, message: str, seconds: float) -> ClauseResult:
    return ClauseResult(
        id=each.id,
        level=each.level,
        status=status,
        title=each.title,
        message=message,
        hint=each.hint,
        seconds=round(seconds, 3),
    )
