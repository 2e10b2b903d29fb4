"""How a clause is judged: by checks, each a small function of what a scenario observed."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from inspect import getdoc
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from buildkit.contract import hints
from buildkit.contract.clauses import clauses
from buildkit.contract.engine import Unfit
from buildkit.model.image import ClauseResult, Level, Skip, SkipKind, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from buildkit.contract.scenario import Scenario
    from buildkit.contract.signs import Sign
    from buildkit.model.features import Feature
    from buildkit.model.target import Purpose

Observed = TypeVar("Observed")
REASON_IS = "its reason in /opt/ml/output/failure is"
"""Introduces the reason that a failed run left, in evidence."""
SEVERITY = (Status.FAIL, Status.WARN, Status.PASS, Status.SKIP)
"""The first of these that a check of a clause came to is the verdict."""


class Finding(Exception):  # noqa: N818 - of a check
    """What a check came to: evidence for people, and the same as `signs` for other code."""

    status = Status.PASS

    def __init__(self, evidence: str = "", *signs: Sign) -> None:
        super().__init__(evidence)
        self.signs = signs


class Broken(Finding):
    """The image breaks the clause."""

    status = Status.FAIL


class Doubtful(Finding):
    """The image seems to break the clause, without proof: a warning."""

    status = Status.WARN


class Partly(Finding):
    """The clause holds as far as it was observed; the text says what was not."""


class Noted(Finding):
    """The clause holds; the text says what its user has to do for that."""


class Unseen(Finding):
    """The clause cannot be judged here: `reason` says why, `detail` ends that sentence."""

    status = Status.SKIP

    def __init__(
        self,
        reason: str,
        detail: str = "",
        *signs: Sign,
        kind: SkipKind = SkipKind.UNSEEN,
        about: str = "",
        said: str = "",
    ) -> None:
        super().__init__(f"{reason}{detail}", *signs)
        self.skip = Skip(kind=kind, reason=reason, about=about, said=said)


class TooBusy(Unseen):
    """The clause would be judged on a machine with less to do."""

    def __init__(self, seen: str) -> None:
        super().__init__("this machine is too busy to judge this", f": {seen}", kind=SkipKind.BUSY)


class Unsampled(Unseen):
    """The clause would be judged with more samples."""

    def __init__(self, reason: str, detail: str = "", *signs: Sign, said: str = "") -> None:
        super().__init__(reason, detail, *signs, kind=SkipKind.SAMPLES, said=said)


class NotPromised(Unseen):
    """The clause is for images with a feature that this one does not promise."""

    def __init__(self, feature: Feature) -> None:
        about = feature.value
        super().__init__("not promised", f": {about}", kind=SkipKind.FEATURE, about=about)


class NotFor(Unseen):
    """The clause is for images of another purpose."""

    def __init__(self, purpose: Purpose) -> None:
        super().__init__(f"the image is not for {purpose.value}", kind=SkipKind.PURPOSE)


class Caused(Unseen):
    """The evidence of another clause explains the fault."""

    def __init__(self, clause: str) -> None:
        super().__init__(f"not judged: see {clause}", kind=SkipKind.CAUSE, about=clause)


def hindered(reason: str, sign: Sign) -> Unseen:
    """The clause would be judged if another one held: `sign` says what that shows (causes.py)."""
    return Unseen(reason, "", sign)


@dataclass(frozen=True, kw_only=True)
class Check(Generic[Observed]):
    """One way to judge a clause. `judge` returns if the clause holds, or raises a Finding.

    `how` is a sentence for people. `smoke`: the check gates a build, so it has to be quick. A
    clause passes only if one of the checks that `decide` on it was judged. `gap` is what its pass
    says if no check with this gap was judged.
    """

    clause: str
    scenario: Scenario[Observed]
    smoke: bool
    how: str
    judge: Callable[[Observed], None]
    decides: bool = False
    gap: str = ""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What one check of a clause came to, or all of them. `decides` and `gap` are the check's.

    `cause` is the broken clause that explains it, empty if none does.
    """

    clause: str
    status: Status
    message: str = ""
    signs: frozenset[Sign] = frozenset()
    seconds: float = 0.0
    skip: Skip | None = None
    decides: bool = False
    gap: str = ""
    cause: str = ""

    def skipped_for(self, kind: SkipKind) -> bool:
        return self.skip is not None and self.skip.kind is kind

    @property
    def result(self) -> ClauseResult:
        known = clauses()[self.clause]
        return ClauseResult(
            id=self.clause,
            level=known.level,
            status=self.status,
            title=known.title,
            message=self.message,
            hint=hints.cure(self.clause, self.message, self.signs) or known.hint,
            seconds=round(self.seconds, 3),
            skip=self.skip,
            cause=self.cause,
        )


def check(
    clause: str,
    scenario: Scenario[Observed],
    *,
    smoke: bool = False,
    decides: bool = False,
    gap: str = "",
) -> Callable[[Callable[[Observed], None]], Check[Observed]]:
    """Make a check of a function. Its docstring says how it judges."""

    def make(judge: Callable[[Observed], None]) -> Check[Observed]:
        return Check(
            clause=clause,
            scenario=scenario,
            smoke=smoke,
            how=" ".join((getdoc(judge) or "").split()),
            judge=judge,
            decides=decides,
            gap=gap,
        )

    return make


def run(each: Check[Observed], observed: Observed) -> Judged:
    began = time.monotonic()
    found = Finding()
    try:
        each.judge(observed)
    except Unfit as error:
        found = Unseen(str(error))
    except Finding as error:
        found = error
    return replace(of(each, found), seconds=time.monotonic() - began)


def of(each: Check[Any], found: Finding) -> Judged:
    """What a check came to."""
    return replace(judged(each.clause, found), decides=each.decides, gap=each.gap)


def judged(clause: str, found: Finding) -> Judged:
    """A clause by one finding. Only a required clause can fail."""
    mild = found.status is Status.FAIL and clauses()[clause].level is not Level.REQUIRED
    return Judged(
        clause=clause,
        status=Status.WARN if mild else found.status,
        message=str(found),
        signs=frozenset(found.signs),
        skip=found.skip if isinstance(found, Unseen) else None,
    )


def merged(results: Iterable[Judged]) -> Judged:
    """The verdict of all checks of one clause: the worst, with all of its evidence.

    Checks that were judged do not make a pass if a check was not judged on a busy machine, or if
    none was judged that decides.
    """
    results = tuple(results)
    status = min((each.status for each in results), key=SEVERITY.index)
    lacking = _lacking(results) if status is Status.PASS else ()
    if lacking:
        status = Status.SKIP
    worst = lacking or [each for each in results if each.status is status]
    messages = [each.message for each in worst if each.message]
    if status is Status.PASS:
        messages += _gaps(results)
    return Judged(
        clause=results[0].clause,
        status=status,
        message="\n".join(dict.fromkeys(messages)),
        signs=frozenset().union(*(each.signs for each in worst)),
        seconds=sum(each.seconds for each in results),
        skip=min((each.skip for each in worst if each.skip), key=_rank, default=None),
    )


def _lacking(results: Sequence[Judged]) -> Sequence[Judged]:
    """The skipped checks without which a clause cannot pass."""
    if busy := [each for each in results if each.skipped_for(SkipKind.BUSY)]:
        return busy
    deciding = [each for each in results if each.decides]
    return deciding if all(each.status is Status.SKIP for each in deciding) else ()


def _gaps(results: Iterable[Judged]) -> list[str]:
    """What none of the checks has seen."""
    seen = {each.gap for each in results if each.status is not Status.SKIP}
    return [each.gap for each in results if each.gap and each.gap not in seen]


def _rank(skip: Skip) -> tuple[bool, bool, bool]:
    """Of several reasons to skip a clause, the one that a user can act on comes first."""
    return skip.kind is not SkipKind.BUSY, not skip.said, skip.kind is not SkipKind.SAMPLES
