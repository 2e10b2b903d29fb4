"""The verdict on a report: pass, fail or unjudged; and what the image was not seen to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.model.image import Level, SkipKind, Status, Verdict
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from buildkit.model.image import ClauseResult, Report

WORK = {"OUT-01": "trained", "SERVE-03": "served", "PROC-02": "run"}
"""The clauses that observe an image train, serve and process."""
ANSWERS = "SERVE-06"
BROKEN = (Status.FAIL, Status.WARN)
NAMED = 6
"""Most clauses that a line names; one more is named instead of counted."""


def of(report: Report) -> Verdict:
    """An image that was not seen to train, to serve or to process has not passed.

    If only other clauses were selected, one judged clause is enough.
    """
    if not report.passed:
        return Verdict.FAIL
    work = [each for each in report.clauses if each.id in WORK]
    seen = any(each.status is not Status.SKIP for each in work or report.clauses)
    return Verdict.PASS if seen and not busy(report) else Verdict.UNJUDGED


def causes(report: Report) -> tuple[ClauseResult, ...]:
    """The broken clauses that no other clause explains: failures, then warnings.

    Of these, the one from which most follows comes first.
    """
    found = [each for each in report.clauses if each.status in BROKEN and not each.cause]
    most = {each.id: -len(followers(report, each)) for each in found}
    return tuple(sorted(found, key=lambda each: (BROKEN.index(each.status), most[each.id])))


def followers(report: Report, cause: ClauseResult) -> tuple[ClauseResult, ...]:
    """The clauses that are broken, or cannot be judged, because of a broken one."""
    return tuple(each for each in report.clauses if each.cause == cause.id)


def knock_on(report: Report, cause: ClauseResult) -> str:
    """What follows from a broken clause, in one line; empty if nothing does."""
    found = followers(report, cause)
    broken = [each.id for each in found if each.status in BROKEN]
    skipped = [each.id for each in found if each.status not in BROKEN]
    parts = ((broken, "fails", "fail"), (skipped, "is not judged", "are not judged"))
    return "; ".join(
        f"{_some(ids)} {one if len(ids) == 1 else many}" for ids, one, many in parts if ids
    )


def _some(ids: list[str]) -> str:
    rest = len(ids) - NAMED
    return ", ".join(ids) if rest <= 1 else f"{', '.join(ids[:NAMED])} and {rest} more"


def busy(report: Report) -> tuple[str, ...]:
    """The required clauses that were not judged because the machine was too busy."""
    return tuple(
        each.id
        for each in report.clauses
        if each.level is Level.REQUIRED and each.skipped_for(SkipKind.BUSY)
    )


def untried(report: Report) -> str:
    """What the image was not seen to do, and why: `not trained, not served: no samples`.

    Empty if the image was seen to do all that it is for, or if only some clauses were selected.
    """
    found = {each.id: each for each in report.clauses}
    dead = {id_: why for id_ in WORK if (why := _explained(found.get(id_)))}
    left = [f"not {WORK[id_]}" for id_ in WORK if id_ not in dead and _open(found.get(id_))]
    never = [f"not {WORK[id_]}: see {cause}" for id_, cause in dead.items()]
    if report.purpose is Purpose.PROCESSING and "OUT-01" in found and "PROC-02" not in found:
        return "not run: the profile smoke does not start images for processing"
    served = "SERVE-03" in found and found["SERVE-03"].status in (Status.PASS, Status.WARN)
    if served and _open(found.get(ANSWERS)):
        left.append("no prediction")
    if not left:
        return "; ".join(never)
    if busy(report):
        why = "the machine is too busy"
    elif not report.sampled:
        why = "no samples"
    else:
        why = "no payload" if left == ["no prediction"] else "the samples are not enough"
    return "; ".join([f"{', '.join(left)}: {why}", *never])


def _explained(result: ClauseResult | None) -> str:
    """The clause that explains why an image did not do something, empty if none does."""
    skip = result.skip if result is not None else None
    return skip.about if skip is not None and skip.kind is SkipKind.CAUSE else ""


def _open(result: ClauseResult | None) -> bool:
    """Whether a clause applies, and was not judged."""
    if result is None or result.status is not Status.SKIP:
        return False
    return not result.skipped_for(SkipKind.PURPOSE, SkipKind.FEATURE)
