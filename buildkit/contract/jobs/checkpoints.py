"""Clauses of checkpoints (SPOT): where they are, and whether an interrupted run resumes."""

from __future__ import annotations

import re
import tarfile
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from buildkit.contract import archive, machine
from buildkit.contract.archive import Archive
from buildkit.contract.checks import Broken, Doubtful, Unseen, check
from buildkit.contract.jobs import endings, training_job, training_runs
from buildkit.contract.jobs.endings import Ending
from buildkit.contract.scenario import observation
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.contract.engine import Container, Entry
    from buildkit.contract.jobs.endings import Then
    from buildkit.contract.jobs.training_job import Job
    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.scenario import Bench

FOLDER = "checkpoints"
PATH = f"{training_job.ROOT}/{FOLDER}"
SETTLED_SECONDS = (1, 3, 10)
"""A checkpoint that does not change for this time counts as complete. If `train` cannot resume from
it, it may have been half written at SIGKILL (which SPOT-03 judges), and the next time is tried."""
LOOK_SECONDS = 0.1
LARGEST_CUT = 1024 * 1024
SPEAKS = re.compile(r"resum|restor|recover|continu|checkpoint|start(ed|ing)? (at|from|with)\b")
DENIES = re.compile(r"scratch|begin|no checkpoint|not found|fail|cannot|error|corrupt|complete")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
SHORT_SECONDS = 3
"""Shorter runs, in elapsed or processor time, do not show whether one did less."""


@dataclass(frozen=True, kw_only=True)
class Resumption:
    """A whole run, one that was killed once it had a checkpoint, and the runs after it.

    `again` had the checkpoints of `first` and nothing else. `cut` had the same without the second
    half of `cut_name`; None if there was nothing to cut.
    """

    whole: Run
    first: Run
    again: Run
    cut: Run | None
    cut_name: str

    @property
    def asked(self) -> str:
        if self.first.exit_code == endings.KILLED:
            return "after SIGKILL, with the checkpoints of the killed run, `train`"
        return "with the checkpoints of a run that ended before SIGKILL, `train`"


def _job(bench: Bench) -> Job:
    work = training_job.of(bench.subject.samples)
    return replace(work, folders=(*work.folders, FOLDER))


def _whole(bench: Bench) -> Run:
    training_runs.needs_good(bench)
    return training_runs.train(bench, _job(bench), then=endings.metered)


WHOLE = observation("`train` with an empty /opt/ml/checkpoints", Purpose.TRAINING)(_whole)


@observation(
    "`train`, SIGKILL after its first checkpoint, and `train` again with the checkpoints",
    Purpose.TRAINING,
)
def resumed(bench: Bench) -> Resumption:
    whole = bench.once(_whole)
    if not whole.good:
        raise Unseen("with an empty /opt/ml/checkpoints training failed")
    first, *longer = SETTLED_SECONDS
    found = _attempt(bench, whole, first)
    for settled in longer:
        if not found.again.good:
            found = _attempt(bench, whole, settled)
    return found


def _attempt(bench: Bench, whole: Run, settled: float) -> Resumption:
    with training_runs.laid_out(bench, _job(bench)) as container:
        first = training_runs.finish(bench, container, then=_kill_when_it_has_one(settled))
        left = [each for each in first.below(FOLDER) if each.kind == "file"]
        if first.exit_code not in (0, endings.KILLED):
            raise Unseen(f"the run that was to be interrupted {first.outcome}", first.last_words)
        if not left:
            raise Unseen("the interrupted run left no checkpoint")
        again = _restart(bench, container)
        newest = max(left, key=_age)
        size = min(newest.size // 2, LARGEST_CUT)
        cut = None
        if again.good and newest.size > 1:
            head = archive.head(container.get(f"{training_job.ROOT}/{newest.name}"), size)
            cut = _restart(bench, container, instead=(newest.name, head))
    return Resumption(whole=whole, first=first, again=again, cut=cut, cut_name=newest.name)


def _restart(bench: Bench, ended: Container, instead: tuple[str, bytes] | None = None) -> Run:
    with training_runs.laid_out(bench, _job(bench)) as container:
        checkpoints = ended.get(PATH)
        if checkpoints is not None:
            container.put(training_job.ROOT, checkpoints)
        if instead is not None:
            over = Archive()
            over.file(*instead)
            container.put(training_job.ROOT, over.chunks())
        return training_runs.finish(bench, container, then=endings.metered)


def _kill_when_it_has_one(settled: float) -> Then:
    """Send SIGKILL once a checkpoint has not changed for a while, unless the run ends before."""

    def then(bench: Bench, container: Container) -> Ending:
        limit = machine.of(bench).limit(container, endings.TRAIN_SECONDS)
        before: frozenset[tuple[str, str]] = frozenset()
        while not limit.expired():
            if (code := container.wait(0)) is not None:
                return Ending(exit_code=code)
            now = _files(container)
            if before & now:
                container.send("SIGKILL")
                return Ending(exit_code=container.wait(endings.HANG_SECONDS))
            before = now
            time.sleep(settled if now else LOOK_SECONDS)
        return Ending(exit_code=None)

    return then


def _files(container: Container) -> frozenset[tuple[str, str]]:
    """The checkpoints, except hidden files, which are still being written."""
    try:
        found = archive.members(container.get(PATH))
    except tarfile.TarError:
        return frozenset()
    return frozenset(
        (each.name, each.digest)
        for each in found
        if each.kind == "file" and each.size and not _hidden(each.name)
    )


def _hidden(name: str) -> bool:
    return name.rpartition("/")[2].startswith(".")


def _shorter(whole: float, again: float) -> bool:
    return whole > SHORT_SECONDS and again < 0.7 * whole


def _age(entry: Entry) -> tuple[bool, float, list[int], str]:
    """The sort key of checkpoints, the newest last; within a second, by the numbers in names."""
    numbers = [int(part) for part in re.findall(r"\d{1,18}", entry.name)]
    return (not _hidden(entry.name), entry.modified, numbers, entry.name)


@check("SPOT-01", WHOLE)
def checkpoints_appear(run: Run) -> None:
    """/opt/ml/checkpoints, empty at the start, holds a file when the run ends."""
    if not run.good:
        raise Broken(f"with an empty /opt/ml/checkpoints `train` {run.evidence}")
    if not any(each.kind == "file" and each.size for each in run.below(FOLDER)):
        raise Broken(f"{PATH} holds no file after {run.seconds:.0f} s of training")


@check("SPOT-02", resumed)
def resumes(found: Resumption) -> None:
    """The second run ends with 0, and its log or its length shows that it did not start over."""
    if not found.again.good:
        raise Broken(f"{found.asked} {found.again.evidence}")
    logs = [run.said for run in (found.whole, found.first, found.again)]
    repeated = repeats(*logs)
    if repeated:
        raise Broken(f"{found.asked} started over, from its line {repeated[:200]!r} on")
    shorter = _shorter(found.whole.seconds, found.again.seconds) or _shorter(
        found.whole.processor_seconds, found.again.processor_seconds
    )
    if repeated is None and not shorter and len(logs[2]) >= len(logs[0]):
        raise Doubtful(
            f"{found.asked} took as long and printed as much as without them: "
            "nothing shows that it uses them"
        )


@check("SPOT-03", resumed)
def survives_a_cut_checkpoint(found: Resumption) -> None:
    """A third run with the newest file cut in half ends with 0."""
    if found.cut is None:
        raise Unseen(
            "`train` does not restart with whole checkpoints, or they are too small to cut"
        )
    if not found.cut.good:
        raise Broken(f"with {found.cut_name} cut in half `train` {found.cut.evidence}")


# Whether logs show that a run resumed where another one had been killed


@dataclass(frozen=True, kw_only=True)
class Count:
    """Lines of a log that differ only in a number, which counts up from 0, 1 or its own step."""

    template: str
    column: int
    first: int


def repeats(whole: Sequence[str], first: Sequence[str], again: Sequence[str]) -> str | None:
    """The line of a log that shows a start from scratch; empty if the log shows a resumption.

    None if it shows neither. `whole` is the log without checkpoints, `again` the log with those of
    a run that had printed `first`.
    """
    known = {_template(line) for line in whole}
    for line in again:
        low = line.lower()
        if _template(line) not in known and SPEAKS.search(low) and not DENIES.search(low):
            return ""
    verdict: str | None = None
    for count in counts(whole):
        began = next((line for line in again if _template(line) == count.template), None)
        if began is None or _numbers(began)[count.column] != str(count.first):
            return ""
        if sum(_template(line) == count.template for line in first) > 1:
            verdict = verdict or began
    return verdict


def counts(log: Sequence[str]) -> tuple[Count, ...]:
    """The numbers that count up in a log: at least three lines, by the same step."""
    series: dict[str, list[list[str]]] = {}
    for line in log:
        series.setdefault(_template(line), []).append(_numbers(line))
    return tuple(
        Count(template=template, column=column, first=int(values[0]))
        for template, rows in series.items()
        if len(rows) > 2  # noqa: PLR2004 - two numbers always have the same step
        for column, values in enumerate(zip(*rows, strict=True))
        if _counts_up(values)
    )


def _counts_up(values: Sequence[str]) -> bool:
    if not all(value.isdecimal() and len(value) < 10 for value in values):  # noqa: PLR2004
        return False
    numbers = [int(value) for value in values]
    step = numbers[1] - numbers[0]
    steps = {after - before for before, after in pairwise(numbers)}
    return step > 0 and steps == {step} and numbers[0] in (0, 1, step)


def _template(line: str) -> str:
    return NUMBER.sub("#", line)


def _numbers(line: str) -> list[str]:
    return NUMBER.findall(line)
