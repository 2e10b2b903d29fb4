"""The clause of a training job that is stopped (RUN-08): what the signal led to, and what is saved.

A run that ends by itself has not shown that it hears the signal. So it is compared with the whole
run; and where it ended too soon, it gets the signal again while it reads a file without an end.
What a run saves is seen only where it was stopped in its work: one that was not is stopped again,
at lines of its own, for times differ from run to run. What is not seen then is said.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful, Partly, Unseen, check, last_lines
from buildkit.contract.jobs import endings, training_job, training_runs
from buildkit.contract.jobs.endings import Moment
from buildkit.contract.scenario import Scenario
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.contract.jobs.training_job import Job
    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.scenario import Bench

MIDDLE_SECONDS = 60
"""The signal comes in the middle of the whole run, and no later than this."""
QUICK_SECONDS = 30
"""A run that takes longer is met in its middle by the first signal."""
NOT_SEEN = (
    "SIGTERM ends it; what it saves then was not seen: it was not met between its first line and "
    "its end. Let it print a line as it begins to learn, and give samples that train for seconds"
)
SHELLS = frozenset(["sh", "bash", "dash", "ash", "zsh", "ksh", "busybox"])


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """`whole`: the run that nobody stopped. `run`: one that got SIGTERM in the middle.

    `reading`: one that got it while it read a file without an end, if `run` has not shown that the
    signal has an effect. `working`: the one that was stopped in its work, None where none was.
    `scripted`: a user's script trains, not the image.
    """

    whole: Run
    run: Run
    reading: Run | None
    working: Run | None
    scripted: bool


def middle(whole: Run) -> Moment:
    """When half of the whole run's time has passed, and all that it said by then is said."""
    if not whole.good or whole.ended_at is None:
        return Moment()
    seconds = min(whole.seconds / 2, MIDDLE_SECONDS)
    until = whole.ended_at - whole.seconds + seconds
    return Moment(seconds=seconds, lines=sum(line.at <= until for line in whole.lines))


def lines_to_stop_at(whole: Run) -> tuple[int, ...]:
    """How many lines a quick run prints before it is stopped again: half of them, then fewer."""
    if not whole.good or whole.seconds > QUICK_SECONDS:
        return ()
    half = (len(whole.lines) + 1) // 2
    return tuple(dict.fromkeys(lines for lines in (half, half // 2, 1) if lines))


def in_its_work(whole: Run, run: Run) -> bool:
    """Whether a run was stopped, and had said something by then: it had begun."""
    told = run.signalled
    return told is not None and bool(told.lines) and not run.killed and has_effect(whole, run)


def has_effect(whole: Run, run: Run) -> bool:
    """Whether a run that got a signal ended by it, and not as the whole run does by itself."""
    if run.signalled is None or run.signalled.heard is False:
        return False
    if whole.exit_code is None or run.exit_code != whole.exit_code:
        return True
    return _said(run) != _said(whole)


def _said(run: Run) -> list[list[str]]:
    """Its lines without what changes from run to run."""
    return sorted(
        [word for word in line.text.split() if not any(map(str.isdigit, word))]
        for line in run.lines
    )


@contextmanager
def _stage(bench: Bench) -> Iterator[Stopped]:
    whole, work = training_runs.trained(bench), training_job.of(bench.subject.samples)
    run = training_runs.train(bench, work, then=endings.stop(middle(whole)))
    reading = working = None
    names = [(each.name, each.path) for each in work.channels if each.path is not None]
    if names and run.ran and whole.good and not run.killed and not has_effect(whole, run):
        fifos = tuple(
            f"input/data/{name}/{training_job.endless_name(path)}" for name, path in names
        )
        reading = training_runs.train(bench, replace(work, fifos=fifos), then=endings.stop_reading)
    if not work.code:
        working = _stopped_in_its_work(bench, work, whole, run)
    yield Stopped(
        whole=whole, run=run, reading=reading, working=working, scripted=work.code is not None
    )


def _stopped_in_its_work(bench: Bench, work: Job, whole: Run, run: Run) -> Run | None:
    """The run that was stopped, if it was in its work; else the first of some more that is."""
    if in_its_work(whole, run):
        return run
    unheard = run.signalled is not None and run.signalled.heard is False
    if not run.ran or run.killed or unheard or not has_model(whole):
        return None
    for lines in lines_to_stop_at(whole):
        run = training_runs.train(bench, work, then=endings.stop(Moment(lines=lines)))
        if in_its_work(whole, run):
            return run
    return None


STOPPED = Scenario(
    title="`train`, then SIGTERM in the middle; where that shows nothing, while it reads",
    stage=_stage,
    purpose=Purpose.TRAINING,
)


@check("RUN-08", STOPPED, smoke=True)
def stops_in_time(seen: Stopped) -> None:
    """SIGTERM ends the run within 120 s, without SIGKILL, and not as if it had not come."""
    run = seen.run
    if not run.ran:
        raise Unseen("it did not start")
    if run.killed:
        raise Broken(
            f"{run.killed}{run.signalled.shown if run.signalled else ''}{last_lines(run.log)}"
        )
    if not seen.whole.good and seen.whole.exit_code is not None:
        raise Unseen("`train` fails by itself, so nobody can tell what SIGTERM does")
    if has_effect(seen.whole, run):
        return
    if seen.reading is not None:
        if has_effect(seen.whole, seen.reading) and not seen.reading.killed:
            return
        _unheard(seen.reading, "while it reads its data")
    _unheard(run, "all the time")
    raise Unseen(
        "it ended by itself before SIGTERM could show an effect: give samples that train for longer"
    )


@check("RUN-08", STOPPED, smoke=True)
def saves_what_it_has(seen: Stopped) -> None:
    """Stopped in its work, it leaves a file in /opt/ml/model, as the whole run does.

    It is stopped up to three times more, after as many lines as half of its own, or fewer.
    """
    run, whole = seen.working, seen.whole
    if seen.scripted:
        raise Unseen("what is saved is up to the user's script")
    if run is None:
        _need_end(seen)
        raise Partly(NOT_SEEN)
    if has_model(whole) and not has_model(run):
        raise Doubtful(
            "SIGTERM in the middle of its work ended it, and /opt/ml/model is empty: the work so "
            f"far is lost{last_lines(run.log)}"
        )


def _need_end(seen: Stopped) -> None:
    """Raises Unseen where it was not seen that SIGTERM ends it, or where there is no model."""
    try:
        stops_in_time.judge(seen)
    except (Broken, Doubtful) as error:
        raise Unseen("it was not stopped in the middle of its work") from error
    if not seen.whole.good or not has_model(seen.whole):
        raise Unseen("the whole run leaves no model either")


def has_model(run: Run) -> bool:
    return any(each.kind == "file" for each in run.below("model"))


def _unheard(run: Run, when: str) -> None:
    """Raises Broken or Doubtful, if the kernel kept SIGTERM from the first process."""
    told = run.signalled
    if told is None or told.heard is not False:
        return
    said = f"SIGTERM has no effect{told.shown}, which does not listen for it {when}"
    if told.others and _is_shell(told.first):
        raise Broken(f"{said}, and hands nothing on to the program that it started")
    if told.others or run.killed:
        raise Doubtful(said)


def _is_shell(command: str) -> bool:
    words = command.split()
    return bool(words) and PurePosixPath(words[0]).name.lstrip("-") in SHELLS
