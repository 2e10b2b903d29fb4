"""The clause of a stopped training job (RUN-08): the effect of the signal, and what is saved.

A run that ends by itself does not show that it handles the signal. So it is compared with the whole
run; and if it ended too soon, another run gets the signal while it reads an endless file. What a
run saves is known only if it was stopped during its work: a run that was not is repeated, and
stopped after some of its lines, because times vary from run to run. The rest is reported as unseen.

A run that is over at once has no middle in which a signal could arrive. It gets the signal after
half of its lines, and the one that reads an endless file starts beside it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful, Partly, Unseen, check, hindered
from buildkit.contract.jobs import endings, training_job, training_runs
from buildkit.contract.jobs.endings import Moment
from buildkit.contract.logs import last_lines
from buildkit.contract.scenario import observation
from buildkit.contract.signs import Sign
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from buildkit.contract.jobs.training_job import Job
    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.scenario import Bench

MIDDLE_SECONDS = 60
"""The signal comes in the middle of the whole run, and no later than this."""
QUICK_SECONDS = 30
"""A run that takes longer gets the first signal in its middle."""
AT_ONCE_SECONDS = 1
"""A run that takes less is over at once."""
NOT_SEEN = (
    "SIGTERM ends `train`; what it saves was not observed, as no signal came between its first "
    "line and its end: print a line when training starts, and use samples that train for seconds"
)
SHELLS = frozenset(["sh", "bash", "dash", "ash", "zsh", "ksh", "busybox"])


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """`whole`: the run without a signal. `run`: one that got SIGTERM in the middle.

    `reading`: one that got SIGTERM while it read an endless file, if the signal had no effect on
    `run`. `working`: the one that was stopped during its work, None if none was.
    `scripted`: a user's script trains, not the image.
    """

    whole: Run
    run: Run
    reading: Run | None
    working: Run | None
    scripted: bool


def middle(whole: Run) -> Moment:
    """After half of the whole run's time, and the lines that it had printed by then.

    For a run that is over at once, after half of its lines.
    """
    if not whole.good or whole.ended_at is None:
        return Moment()
    if whole.seconds < AT_ONCE_SECONDS:
        return Moment(lines=_half(whole))
    seconds = min(whole.seconds / 2, MIDDLE_SECONDS)
    until = whole.ended_at - whole.seconds + seconds
    return Moment(seconds=seconds, lines=sum(line.at <= until for line in whole.lines))


def lines_to_stop_at(whole: Run) -> tuple[int, ...]:
    """Numbers of lines after which a quick run is stopped again: half of all, then fewer."""
    if not whole.good or whole.seconds > QUICK_SECONDS:
        return ()
    half, first = _half(whole), middle(whole)
    tried = first.lines if first.seconds == 0 else 0
    numbers = dict.fromkeys((half, half // 2, 1))
    return tuple(lines for lines in numbers if lines not in (0, tried))


def _half(whole: Run) -> int:
    """Half of its lines, rounded up."""
    return (len(whole.lines) + 1) // 2


def in_its_work(whole: Run, run: Run) -> bool:
    """Whether a run was stopped after its first line: it had started to work."""
    evidence = run.signalled
    return (
        evidence is not None and bool(evidence.lines) and not run.killed and has_effect(whole, run)
    )


def has_effect(whole: Run, run: Run) -> bool:
    """Whether the signal ended a run: it did not end like the whole run."""
    if run.signalled is None or run.signalled.heard is False:
        return False
    if whole.exit_code is None or run.exit_code != whole.exit_code:
        return True
    return _said(run) != _said(whole)


def _said(run: Run) -> list[list[str]]:
    """The lines of a run without numbers, which vary from run to run."""
    return sorted(
        [word for word in line.text.split() if not any(map(str.isdigit, word))]
        for line in run.lines
    )


@observation(
    "`train`, then SIGTERM in the middle; without an effect, again while it reads", Purpose.TRAINING
)
def stopped(bench: Bench) -> Stopped:
    training_runs.need_end(bench)
    whole, work = training_runs.trained(bench), training_job.of(bench.subject.samples)
    stop = partial(training_runs.train, bench, work, then=endings.stop(middle(whole)))
    read = partial(_reading, bench, work)
    reading = working = None
    if whole.good and whole.seconds < AT_ONCE_SECONDS:
        with ThreadPoolExecutor(max_workers=1) as beside:
            promise = beside.submit(read)
            run, read = stop(), partial(promise.result)
    else:
        run = stop()
    if run.ran and whole.good and not run.killed and not has_effect(whole, run):
        reading = read()
    if not work.code:
        working = _stopped_in_its_work(bench, work, whole, run)
    return Stopped(
        whole=whole, run=run, reading=reading, working=working, scripted=work.code is not None
    )


def _reading(bench: Bench, work: Job) -> Run | None:
    """A run that gets the signal while it reads an endless file; None without a file to read."""
    names = [(each.name, each.path) for each in work.channels if each.path is not None]
    fifos = tuple(f"input/data/{name}/{training_job.endless_name(path)}" for name, path in names)
    if not fifos:
        return None
    return training_runs.train(bench, replace(work, fifos=fifos), then=endings.stop_reading)


def _stopped_in_its_work(bench: Bench, work: Job, whole: Run, run: Run) -> Run | None:
    """The run that was stopped, if during its work; else the first of more runs that is."""
    if in_its_work(whole, run):
        return run
    unheard = run.signalled is not None and run.signalled.heard is False
    if not run.ran or run.killed or unheard or not whole.has_model:
        return None
    for lines in lines_to_stop_at(whole):
        run = training_runs.train(bench, work, then=endings.stop(Moment(lines=lines)))
        if in_its_work(whole, run):
            return run
    return None


@check("RUN-08", stopped, smoke=True, decides=True)
def stops_in_time(seen: Stopped) -> None:
    """SIGTERM ends the run within 120 s, without SIGKILL, and changes how the run ends."""
    run = seen.run
    if not run.ran:
        raise hindered("`train` did not start", Sign.SAMPLES_FAIL)
    if run.killed:
        shown, signs = (run.signalled.shown, run.signalled.signs) if run.signalled else ("", ())
        raise Broken(f"{run.killed}{shown}{last_lines(run.log)}", *signs)
    if not seen.whole.good and seen.whole.exit_code is not None:
        reason = "`train` fails by itself, so the effect of SIGTERM is unknown"
        raise hindered(reason, Sign.SAMPLES_FAIL)
    if has_effect(seen.whole, run):
        return
    if seen.reading is not None:
        if has_effect(seen.whole, seen.reading) and not seen.reading.killed:
            return
        _unheard(seen.reading, "while it reads its data")
    _unheard(run, "at any time")
    raise Unseen(
        "`train` ended by itself before SIGTERM could have an effect: use samples that train longer"
    )


@check("RUN-08", stopped, smoke=True)
def saves_what_it_has(seen: Stopped) -> None:
    """A run that is stopped during its work leaves a file in /opt/ml/model, as the whole run does.

    It is stopped up to three more times, after half of its lines or fewer.
    """
    run, whole = seen.working, seen.whole
    if seen.scripted:
        raise Unseen("what is saved is up to the user's script")
    if run is None:
        _need_end(seen)
        raise Partly(NOT_SEEN)
    if whole.has_model and not run.has_model:
        raise Doubtful(
            "SIGTERM ended `train` during its work, and /opt/ml/model is empty: the work so far is "
            f"lost{last_lines(run.log)}",
            Sign.WORK_LOST,
        )


def _need_end(seen: Stopped) -> None:
    """Raises Unseen unless SIGTERM ends `train`, and the whole run leaves a model."""
    try:
        stops_in_time.judge(seen)
    except (Broken, Doubtful) as error:
        raise Unseen("`train` was not stopped during its work") from error
    if not seen.whole.good or not seen.whole.has_model:
        raise Unseen("the whole run leaves no model either")


def _unheard(run: Run, when: str) -> None:
    """Raises Broken or Doubtful if process 1 does not handle SIGTERM."""
    stop = run.signalled
    if stop is None or stop.heard is not False:
        return
    evidence = f"SIGTERM has no effect{stop.shown}, which does not handle it {when}"
    if stop.others and _is_shell(stop.first):
        evidence += ", and does not forward it to the program that it started"
        raise Broken(evidence, *stop.signs)
    if stop.others or run.killed:
        raise Doubtful(evidence, *stop.signs)


def _is_shell(command: str) -> bool:
    words = command.split()
    return bool(words) and PurePosixPath(words[0]).name.lstrip("-") in SHELLS
