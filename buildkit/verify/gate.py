"""The gate: an image is tested unless this very image passed this very suite before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from buildkit import records
from buildkit.model.outcome import Outcome, earlier
from buildkit.support.errors import BuildkitError
from buildkit.system import console
from buildkit.system.console import Pace
from buildkit.verify import fingerprint, verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkit.contract.engine import Engine
    from buildkit.model.image import Built, Verified
    from buildkit.verify.verify import Depth


def test(
    built: Built, engine: Engine, where: records.Records, depth: Depth, *, retest: bool
) -> Outcome:
    """Test an image, and keep the report. The outcome has `verified` if it may be published."""
    target = built.target
    where.write(records.BUILT, target.id, built)
    before = None if retest else _before(target.id, where)
    if before is not None and fingerprint.still_holds(before, built):
        return earlier(replace(before, built=built))
    console.step(target.id, "testing")
    where.forget(records.VERIFIED, target.id)
    keep = where.of(target.id, records.KEPT)
    report, verified = verify.verify(built, engine, depth, progress(target.id), keep=keep)
    where.write(records.REPORT, target.id, report)
    if verified is not None:
        where.write(records.VERIFIED, target.id, verified)
    error = verify.refusal(report) if not report.passed else verify.unjudged(target, report, depth)
    passed = verified if error is None else None
    return Outcome(target=target, built=built, report=report, verified=passed, error=error)


def progress(subject: str) -> Callable[[int, int, str], None]:
    """A function that prints how far a test has come."""
    pace = Pace()

    def say(done: int, of: int, at_work: str) -> None:
        if pace.due():
            now = f", running: {at_work}" if at_work else ""
            console.step(subject, f"testing: {done} of {of} scenarios{now}", dim=True)

    return say


def _before(target_id: str, where: records.Records) -> Verified | None:
    """The record of an earlier test. One that cannot be read costs a test, no more."""
    try:
        return where.find(records.VERIFIED, target_id)
    except BuildkitError as error:
        console.step(target_id, f"will be tested again: {error.message}", fg="yellow")
        return None
