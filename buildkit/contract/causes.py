"""One fault, one verdict: clauses that only show the fault of another clause are skipped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkit.contract.checks import Caused, judged
from buildkit.contract.signs import Sign
from buildkit.model.image import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from buildkit.contract.checks import Judged

BLAMED = (Status.WARN, Status.FAIL)
"""From the milder to the worse."""


@dataclass(frozen=True)
class Cause:
    """Where a broken clause has one of the signs, followers with the same sign say nothing new."""

    clause: str
    signs: frozenset[Sign]
    followers: frozenset[str]


CAUSES = (
    Cause("OUT-03", frozenset([Sign.BLOCKED]), frozenset(["RUN-01", "RUN-02"])),
    Cause("IMG-06", frozenset([Sign.BLOCKED]), frozenset(["RUN-01", "RUN-02"])),
    Cause("RUN-01", frozenset([Sign.UNFIT, Sign.NO_USER]), frozenset(["RUN-02", "SERVE-03"])),
    Cause("RUN-02", frozenset([Sign.NOT_RUNNING]), frozenset(["SERVE-03"])),
    Cause(
        "SERVE-02",
        frozenset([Sign.PING]),
        frozenset(
            ["SERVE-05", "SERVE-14", "STREAM-02", "PIPE-03", "PIPE-06", "ASYNC-01", "MME-07"]
        ),
    ),
    Cause("SERVE-06", frozenset([Sign.OF_ANOTHER]), frozenset(["SERVE-15"])),
    Cause("SERVE-06", frozenset([Sign.WRONG_ANSWER]), frozenset(["BATCH-01", "ISO-01"])),
)


def named(results: Iterable[Judged]) -> tuple[Judged, ...]:
    """The results, with followers of a cause skipped: `not judged: see CLAUSE`."""
    results = tuple(results)
    blamed = {each.clause: each for each in results if each.status in BLAMED}
    return tuple(_followed(each, blamed) for each in results)


def _followed(result: Judged, blamed: Mapping[str, Judged]) -> Judged:
    for cause in CAUSES if result.clause in blamed else ():
        first = blamed.get(cause.clause)
        if (
            first is not None
            and result.clause in cause.followers
            and cause.signs & first.signs
            and cause.signs & result.signs
            and BLAMED.index(first.status) >= BLAMED.index(result.status)
        ):
            return replace(judged(result.clause, Caused(cause.clause)), seconds=result.seconds)
    return result
