"""How a clause is judged: by checks, each a small function of what a scenario observed."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, fields
from inspect import getdoc
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from buildkit.contract import hints
from buildkit.contract.clauses import clauses
from buildkit.contract.engine import Unfit
from buildkit.model.image import ClauseResult, Level, Skip, SkipKind, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from buildkit.contract.engine import Line
    from buildkit.contract.scenario import Scenario
    from buildkit.model.features import Feature
    from buildkit.model.target import Purpose

Observed = TypeVar("Observed")
SEVERITY = (Status.FAIL, Status.WARN, Status.PASS, Status.SKIP)
"""The first of these that a check of a clause came to is the verdict."""


class Broken(Exception):  # noqa: N818 - a clause is broken
    """The image breaks the clause; the text is the evidence."""


class Doubtful(Exception):  # noqa: N818
    """The image seems to break the clause, without proof: a warning."""


class Unseen(Exception):  # noqa: N818
    """The clause cannot be judged here: `reason` says why, `detail` ends that sentence."""

    def __init__(
        self,
        reason: str,
        detail: str = "",
        *,
        kind: SkipKind = SkipKind.UNSEEN,
        about: str = "",
        said: str = "",
    ) -> None:
        super().__init__(f"{reason}{detail}")
        self.skip = Skip(kind=kind, reason=reason, about=about, said=said)


class TooBusy(Unseen):
    """The clause would be judged on a machine with less to do."""

    def __init__(self, seen: str) -> None:
        super().__init__("this machine is too busy to judge this", f": {seen}", kind=SkipKind.BUSY)


class Unsampled(Unseen):
    """The clause would be judged with more samples."""

    def __init__(self, reason: str, detail: str = "", *, said: str = "") -> None:
        super().__init__(reason, detail, kind=SkipKind.SAMPLES, said=said)


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


class Partly(Exception):  # noqa: N818
    """The clause holds as far as it was observed; the text says what was not."""


@dataclass(frozen=True, kw_only=True)
class Check(Generic[Observed]):
    """One way to judge a clause. `judge` returns, or raises one of the exceptions above.

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
class Judged(ClauseResult):
    """What one of the checks of a clause came to. `decides` and `gap` are those of the check."""

    decides: bool = False
    gap: str = ""


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
        how = " ".join((getdoc(judge) or "").split())
        return Check(
            clause=clause,
            scenario=scenario,
            smoke=smoke,
            how=how,
            judge=judge,
            decides=decides,
            gap=gap,
        )

    return make


def run(each: Check[Observed], observed: Observed) -> Judged:
    began = time.monotonic()
    status, message, skip = Status.PASS, "", None
    try:
        each.judge(observed)
    except Broken as error:
        required = clauses()[each.clause].level is Level.REQUIRED
        status, message = Status.FAIL if required else Status.WARN, str(error)
    except Doubtful as error:
        status, message = Status.WARN, str(error)
    except Partly as error:
        message = str(error)
    except Unfit as error:
        status, message, skip = Status.SKIP, str(error), Unseen(str(error)).skip
    except Unseen as error:
        status, message, skip = Status.SKIP, str(error), error.skip
    return of(each, result(each.clause, status, message, time.monotonic() - began, skip))


def of(each: Check[Any], found: ClauseResult) -> Judged:
    """A result of this check."""
    facts = {one.name: getattr(found, one.name) for one in fields(ClauseResult)}
    return Judged(**facts, decides=each.decides, gap=each.gap)


def skipped(clause: str, why: Unseen, seconds: float = 0.0) -> ClauseResult:
    return result(clause, Status.SKIP, str(why), seconds, why.skip)


def result(
    clause: str, status: Status, message: str, seconds: float = 0.0, skip: Skip | None = None
) -> ClauseResult:
    known = clauses()[clause]
    return ClauseResult(
        id=clause,
        level=known.level,
        status=status,
        title=known.title,
        message=message,
        hint=hints.cure(clause, message) or known.hint,
        seconds=round(seconds, 3),
        skip=skip,
    )


def merged(results: Iterable[ClauseResult]) -> ClauseResult:
    """The result of all checks of one clause: the worst, with all of its evidence.

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
    return result(
        results[0].id,
        status,
        "\n".join(dict.fromkeys(messages)),
        sum(each.seconds for each in results),
        min((each.skip for each in worst if each.skip), key=_rank, default=None),
    )


def _lacking(results: Sequence[ClauseResult]) -> Sequence[ClauseResult]:
    """The skipped checks without which a clause cannot pass."""
    if busy := [each for each in results if each.skipped_for(SkipKind.BUSY)]:
        return busy
    deciding = [each for each in results if isinstance(each, Judged) and each.decides]
    return deciding if all(each.status is Status.SKIP for each in deciding) else ()


def _gaps(results: Iterable[ClauseResult]) -> list[str]:
    """What none of the checks has seen."""
    found = [each for each in results if isinstance(each, Judged) and each.gap]
    seen = {each.gap for each in found if each.status is not Status.SKIP}
    return [each.gap for each in found if each.gap not in seen]


def _rank(skip: Skip) -> tuple[bool, bool, bool]:
    """Of several reasons to skip a clause, the one that a user can act on comes first."""
    return skip.kind is not SkipKind.BUSY, not skip.said, skip.kind is not SkipKind.SAMPLES


def telling(lines: Iterable[Line], log: str) -> str:
    """A line that names a cause, if it is not among the last ones, as a part of evidence."""
    found = hints.telling(line.text for line in lines)
    return f"; it said {found.strip()[:200]!r}" if found and found[:80] not in log else ""


REASON_IS = "its reason in /opt/ml/output/failure is"
"""Introduces the reason that a failed run left, in evidence."""


PINGED = re.compile(r"\bGET /ping\b.*\b200\b")
"""A line of an access log about a good /ping of the suite."""


def without_pings(lines: Iterable[str]) -> list[str]:
    """The lines of a log without those about /ping, unless all of them are."""
    lines = list(lines)
    others = [line for line in lines if not PINGED.search(line)]
    return others if any(line.strip() for line in others) else lines


def last_lines(log: str) -> str:
    """The end of a container's log, to end a sentence of evidence."""
    log = "\n".join(without_pings(log.splitlines()))
    return f"; its last lines:\n{log.rstrip()}" if log.strip() else "; it printed nothing"
