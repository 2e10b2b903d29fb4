"""One fault, one verdict: clauses that only show the fault of another clause are skipped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.contract import checks
from buildkit.contract.checks import Caused
from buildkit.contract.hosting.client import NO_ANSWER, NO_CONNECTION, NOT_WHOLE
from buildkit.contract.hosting.parallel import OF_ANOTHER
from buildkit.contract.hosting.server import BY_ITSELF, NOT_STARTED
from buildkit.contract.hosting.serving import WRONG_ANSWER
from buildkit.contract.image.basics import NO_FOLDER
from buildkit.model.image import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildkit.model.image import ClauseResult

BLAMED = (Status.WARN, Status.FAIL)
"""From the milder to the worse."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """If the evidence of a clause has the `sign`, followers with the `symptom` say nothing new."""

    clause: str
    sign: str
    followers: frozenset[str]
    symptom: str


NOT_LAID_OUT = "the engine cannot lay out the container"
"""The evidence that SageMaker's folders do not fit into the image."""
NO_USER = r"uids and gids must be|unable to find (user|group)|no matching entries in"
"""What stops `serve` as it stops `train`."""
CAUSES = (
    *(
        Cause(
            clause=clause,
            sign=rf"^in the image /opt\S* {NO_FOLDER}",
            followers=frozenset(["RUN-01", "RUN-02"]),
            symptom=f"{NOT_LAID_OUT}: copying into /opt/ml",
        )
        for clause in ("OUT-03", "IMG-06")
    ),
    Cause(
        clause="RUN-01",
        sign=f"{NOT_LAID_OUT}|{NO_USER}",
        followers=frozenset(["RUN-02", "SERVE-03"]),
        symptom=f"{NOT_LAID_OUT}|{NO_USER}",
    ),
    Cause(
        clause="RUN-02",
        sign=r".",
        followers=frozenset(["SERVE-03"]),
        symptom=f"^({NOT_STARTED}|`serve` {BY_ITSELF})",
    ),
    Cause(
        clause="SERVE-02",
        sign=r"^GET /ping (\(\d+ of|answered|got)",
        followers=frozenset(
            ["SERVE-05", "SERVE-14", "STREAM-02", "PIPE-03", "PIPE-06", "ASYNC-01", "MME-07"]
        ),
        symptom=f"GET /ping (got ({NO_ANSWER}|{NO_CONNECTION}|{NOT_WHOLE})|answered (?!200))",
    ),
    Cause(
        clause="SERVE-06",
        sign=OF_ANOTHER,
        followers=frozenset(["SERVE-15"]),
        symptom=OF_ANOTHER,
    ),
    Cause(
        clause="SERVE-06",
        sign=WRONG_ANSWER,
        followers=frozenset(["BATCH-01", "ISO-01"]),
        symptom=r"answered (with )?200",
    ),
)


def named(results: Iterable[ClauseResult]) -> tuple[ClauseResult, ...]:
    """The results, with followers of a cause skipped: `not judged: see CLAUSE`."""
    results = tuple(results)
    found = {each.id: each for each in results}
    active = [
        each
        for each in CAUSES
        if (seen := found.get(each.clause)) is not None
        and seen.status in BLAMED
        and re.search(each.sign, seen.message, re.MULTILINE)
    ]
    return tuple(_followed(each, active, found) for each in results)


def _followed(
    result: ClauseResult, active: Iterable[Cause], found: dict[str, ClauseResult]
) -> ClauseResult:
    if result.status not in BLAMED:
        return result
    for cause in active:
        worse = BLAMED.index(found[cause.clause].status) >= BLAMED.index(result.status)
        if worse and result.id in cause.followers and re.search(cause.symptom, result.message):
            return checks.skipped(result.id, Caused(cause.clause), result.seconds)
    return result
