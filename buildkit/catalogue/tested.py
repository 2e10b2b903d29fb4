"""Reports and verdicts of the ledger -> what the catalogue says of the test of an image."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from buildkit import records
from buildkit.catalogue.values import Judged, Result
from buildkit.contract import verdict
from buildkit.model.image import Status, Verdict

if TYPE_CHECKING:
    from buildkit.ledger import record
    from buildkit.model.image import Built, ClauseResult, Report

UNTESTED = Judged(result=Result.UNTESTED)
RESULTS = {
    Verdict.PASS: Result.PASSED,
    Verdict.FAIL: Result.FAILED,
    Verdict.UNJUDGED: Result.PARTLY,
}


def of_ledger(found: record.Verdict) -> Judged:
    """An image in the ledger has broken no required clause."""
    return Judged(
        result=Result.PARTLY if found.untried else Result.PASSED,
        profile=found.profile,
        seconds=found.seconds,
        passed=found.passed,
        warned=found.warned,
        skipped=found.skipped,
        untried=found.untried,
    )


def local(where: records.Records, built: Built) -> Judged | None:
    """The test of a build in dist/; None if it was not tested."""
    report = where.find(records.REPORT, built.target.id)
    return of_report(report) if report and report.digest == built.image_id else None


def of_report(report: Report) -> Judged:
    counts = Counter(each.status for each in report.clauses)
    reasons = Counter(_reason(each) for each in report.clauses if each.status is Status.SKIP)
    untried = verdict.untried(report)
    result = RESULTS[verdict.of(report)]
    return Judged(
        result=Result.PARTLY if result is Result.PASSED and untried else result,
        profile=report.profile,
        at=report.at,
        seconds=report.seconds,
        passed=counts[Status.PASS],
        failed=counts[Status.FAIL],
        warned=counts[Status.WARN],
        skipped=counts[Status.SKIP],
        untried=untried,
        broken=tuple(e for e in report.clauses if e.status in verdict.BROKEN),
        skipped_for=tuple(reasons.most_common()),
    )


def _reason(clause: ClauseResult) -> str:
    return clause.skip.reason if clause.skip else clause.message
