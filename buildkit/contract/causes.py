"""One fault, one verdict: what a broken clause explains of the other clauses.

Clauses that only show its fault are skipped, and so are those that cannot be judged because of it.
A clause that is broken by itself, too, keeps its verdict, and names its cause.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkit.contract.checks import Caused, judged
from buildkit.contract.signs import Sign
from buildkit.model.image import SkipKind, Status

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
    Cause("IMG-05", frozenset([Sign.NOT_ROOT]), frozenset(["OUT-01", "OUT-02", "TREE-05"])),
    Cause("IMG-09", frozenset([Sign.DRIVER]), frozenset(["GPU-01"])),
    Cause("MME-01", frozenset([Sign.NO_LABEL]), frozenset(["IMG-07"])),
    Cause("PIPE-01", frozenset([Sign.NO_LABEL]), frozenset(["IMG-07"])),
    Cause("STREAM-02", frozenset([Sign.NO_LABEL]), frozenset(["IMG-07"])),
    Cause("CFG-01", frozenset([Sign.LONG_VALUE]), frozenset(["CFG-03"])),
    Cause("LOG-02", frozenset([Sign.BUFFERED]), frozenset(["ENV-06"])),
    Cause("ENV-05", frozenset([Sign.CACHED]), frozenset(["WARM-01"])),
    Cause("PROC-04", frozenset([Sign.PROCESSING_FAILS]), frozenset(["PROC-02"])),
    Cause("RUN-01", frozenset([Sign.UNFIT, Sign.NO_USER]), frozenset(["RUN-02", "SERVE-03"])),
    Cause(
        "SERVE-17",
        frozenset([Sign.NOT_RUNNING, Sign.UNREACHED]),
        frozenset(["RUN-02", "SERVE-01", "SERVE-03"]),
    ),
    Cause("RUN-02", frozenset([Sign.NOT_RUNNING]), frozenset(["SERVE-03"])),
    Cause("SERVE-01", frozenset([Sign.UNREACHED]), frozenset(["SERVE-03"])),
    Cause(
        "SERVE-02",
        frozenset([Sign.PING]),
        frozenset(
            ["SERVE-05", "SERVE-14", "STREAM-02", "PIPE-03", "PIPE-06", "ASYNC-01", "MME-07"]
        ),
    ),
    Cause("SERVE-02", frozenset([Sign.IDLE_BLOCKS]), frozenset(["SERVE-15"])),
    Cause("SERVE-14", frozenset([Sign.ENDED]), frozenset(["SERVE-05"])),
    Cause("SERVE-09", frozenset([Sign.TOO_LARGE]), frozenset(["ASYNC-01"])),
    Cause("SLS-01", frozenset([Sign.UNHEALTHY]), frozenset(["SLS-04"])),
    Cause("PIPE-02", frozenset([Sign.STILL_8080]), frozenset(["PIPE-03"])),
    Cause("STREAM-02", frozenset([Sign.NO_WEBSOCKET]), frozenset(["STREAM-03", "STREAM-04"])),
    Cause("SERVE-06", frozenset([Sign.OF_ANOTHER]), frozenset(["SERVE-15"])),
    Cause("SERVE-06", frozenset([Sign.WRONG_ANSWER]), frozenset(["BATCH-01", "ISO-01"])),
)


UNJUDGED = {
    Sign.SAMPLES_FAIL: ("RUN-01", "OUT-01"),
    Sign.PROCESSING_FAILS: ("PROC-01", "PROC-02"),
    Sign.UNHEALTHY: ("RUN-02", "SERVE-01", "SERVE-03"),
    Sign.ENDED: ("SERVE-14", "SERVE-05"),
}
"""Why a clause cannot be judged, and the clauses of which the first broken one is the cause."""
HEALTHY = {"BATCH": "BATCH-01", "MME": "MME-01", "PIPE": "PIPE-02", "SLS": "SLS-01"}
"""The clauses that a server is healthy under the conditions of a group of clauses."""
STATES = frozenset(["OUT-01", "PROC-02"])
"""The clauses that only state that a program fails on the samples; others say why."""

SAME = frozenset([Sign.ENDED])
"""What only a clause explains that shows it itself: it may be broken in another way."""


def named(results: Iterable[Judged]) -> tuple[Judged, ...]:
    """The results, each with the broken clause that is its first cause, if there is one."""
    results = tuple(results)
    blamed = {each.clause: each for each in results if each.status in BLAMED}
    causes = {each.clause: cause for each in results if (cause := _cause(each, blamed))}
    return tuple(_named(each, _first(each.clause, causes)) for each in results)


def _cause(result: Judged, blamed: Mapping[str, Judged]) -> str:
    """The clause that explains a result, empty if none does."""
    if result.status is Status.SKIP:
        return _hindered_by(result, blamed)
    if result.clause not in blamed or Sign.FAILURE_UNSEEN in result.signs:
        return ""
    return _same_fault(result, blamed) or _explained_by(result, blamed)


def _same_fault(result: Judged, blamed: Mapping[str, Judged]) -> str:
    for cause in CAUSES:
        first = blamed.get(cause.clause)
        if (
            first is not None
            and result.clause in cause.followers
            and cause.signs & first.signs
            and cause.signs & result.signs
            and _as_bad(first, result)
        ):
            return cause.clause
    return ""


def _explained_by(result: Judged, blamed: Mapping[str, Judged]) -> str:
    """The clause that says why `train` fails on the samples, if the result states no more."""
    if result.clause not in STATES or Sign.SAMPLES_FAIL not in result.signs:
        return ""
    found = (
        each.clause
        for each in blamed.values()
        if Sign.SAMPLES_EXPLAINED in each.signs and _as_bad(each, result)
    )
    return next(found, "")


def _as_bad(cause: Judged, result: Judged) -> bool:
    """A milder cause hides nothing worse."""
    return BLAMED.index(cause.status) >= BLAMED.index(result.status)


def _hindered_by(result: Judged, blamed: Mapping[str, Judged]) -> str:
    if not result.skipped_for(SkipKind.UNSEEN):
        return ""
    signs = [sign for sign in UNJUDGED if sign in result.signs]
    candidates = (
        each
        for sign in signs
        for each in UNJUDGED[sign]
        if each in blamed and (sign in blamed[each].signs or not (each in STATES or sign in SAME))
    )
    return next(candidates, "") or _unhealthy_in_its_group(result, blamed)


def _unhealthy_in_its_group(result: Judged, blamed: Mapping[str, Judged]) -> str:
    """The clause that says that a server is not healthy under the conditions of the result's."""
    first = HEALTHY.get(result.clause.partition("-")[0], "")
    if Sign.UNHEALTHY not in result.signs or first not in blamed:
        return ""
    return first if Sign.UNHEALTHY in blamed[first].signs else ""


def _first(clause: str, causes: Mapping[str, str]) -> str:
    """The cause of a clause, or the cause of that, and so on; empty if it has none."""
    found = causes.get(clause, "")
    while found in causes:
        found = causes[found]
    return found


def _named(result: Judged, cause: str) -> Judged:
    if not cause:
        return result
    if result.clause in STATES and result.status in BLAMED:
        return replace(result, cause=cause)
    return replace(judged(result.clause, Caused(cause)), cause=cause, seconds=result.seconds)
