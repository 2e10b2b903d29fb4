"""What once passed and should not have, or was blamed without cause; of jobs, on observations by hand."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from buildkit.contract import checks
from buildkit.contract.checks import Broken, Doubtful, Partly, Unseen
from buildkit.contract.engine import End, Entry, ImageView, Line, Start
from buildkit.contract.jobs import (
    configuration,
    diagnosis,
    edge_cases,
    endings,
    processing,
    stopped,
    training,
    training_runs,
    variants,
)
from buildkit.contract.jobs.endings import Moment, Signalled
from buildkit.contract.jobs.training_job import Channel, Job
from buildkit.contract.jobs.training_runs import Run
from buildkit.contract.jobs.variations import Bundle
from buildkit.contract.signs import Sign
from buildkit.contract.suite import checks_of
from buildkit.model.target import Samples
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from buildkit.contract.checks import Check
    from buildkit.contract.jobs.variations import Variant

MODEL = Entry(name="model/m", kind="file", size=1, mode=0o644, content=b"1")


def run(exit_code: int | None = 0, *texts: str, reason: bytes | None = None, **facts: Any) -> Run:
    failure = Entry(name="output/failure", kind="file", size=1, mode=0o644, content=reason)
    lines = tuple(Line(at=1000.0 + at, text=text) for at, text in enumerate(texts))
    found = Run(
        refusal=None,
        exit_code=exit_code,
        seconds=10.0,
        log="\n".join(texts),
        lines=lines,
        tree=(MODEL,) if reason is None else (failure,),
        ended_at=1010.0,
    )
    return replace(found, **facts)


def verdict(check: Check[Any], observed: object) -> str:
    try:
        check.judge(observed)
    except (Broken, Doubtful, Partly, Unseen) as error:
        return f"{type(error).__name__}: {error}"
    return "pass"


# A stopped training (RUN-08).

WHOLE = run(0, "epoch 1", "epoch 2", "done")
HEARD = Signalled(heard=True, first="python train", lines=1)
SHELL = Signalled(heard=False, first="/bin/sh /usr/local/bin/train", others=1)
ALONE = Signalled(heard=False, first="python train")
KILLED = "SIGKILL was needed"


def seen(stop: Run, reading: Run | None = None, whole: Run = WHOLE) -> stopped.Stopped:
    working = stop if stopped.in_its_work(whole, stop) else None
    return stopped.Stopped(whole=whole, run=stop, reading=reading, working=working, scripted=False)


STOPS = (
    (run(143, "epoch 1", signalled=HEARD), None, "pass"),
    (run(0, "epoch 1", "saving", signalled=HEARD), None, "pass"),
    # It ends as the whole run does: the signal may have had no effect.
    (run(0, "epoch 1", "epoch 3", "done", signalled=HEARD), None, "Unseen"),
    (run(0, "epoch 1", "epoch 2", "done"), None, "Unseen"),
    (run(0, "epoch 1", "epoch 2", "done"), run(143, signalled=HEARD), "pass"),
    (run(0, *("epoch 1", "epoch 2", "done")), run(137, signalled=HEARD, killed=KILLED), "Unseen"),
    # The kernel keeps it from a process that does not handle it, whatever the log says.
    (run(0, "other words", signalled=SHELL), None, "Broken"),
    (run(0, "epoch 1"), run(137, signalled=SHELL, killed=KILLED), "Broken"),
    (run(0, "epoch 1"), run(137, signalled=ALONE, killed=KILLED), "Doubtful"),
    (run(0, "epoch 1", "epoch 2", "done", signalled=ALONE), None, "Unseen"),
    (run(137, signalled=HEARD, killed=KILLED), None, "Broken"),
)


@pytest.mark.parametrize(("stop", "reading", "found"), STOPS)
def test_a_signal_counts_as_heard_where_it_had_an_effect(
    stop: Run, reading: Run | None, found: str
) -> None:
    assert verdict(stopped.stops_in_time, seen(stop, reading)).startswith(found)


def test_a_run_that_fails_by_itself_shows_nothing() -> None:
    failed = run(1, "no data")
    found = verdict(stopped.stops_in_time, seen(run(1, "no data", signalled=HEARD), None, failed))
    assert found.startswith("Unseen")
    endless = run(None, "epoch 1")
    found = verdict(stopped.stops_in_time, seen(run(0, "epoch 1", signalled=HEARD), None, endless))
    assert found == "pass"


def test_who_gets_the_signal_is_told() -> None:
    found = verdict(stopped.stops_in_time, seen(run(137, signalled=SHELL, killed=KILLED)))
    assert "process 1 is `/bin/sh /usr/local/bin/train`" in found


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, "pass"),
        ({"tree": ()}, "Doubtful: SIGTERM ended `train` during its work"),
        (
            {"tree": (), "signalled": replace(HEARD, lines=0)},
            "Partly: SIGTERM ends `train`; what it",
        ),
        ({"tree": (), "signalled": None}, "Unseen"),
    ],
)
def test_a_training_that_is_stopped_in_the_middle_saves_what_it_has(
    changes: dict[str, Any], found: str
) -> None:
    stop = run(143, "epoch 1", **{"signalled": HEARD, **changes})
    assert verdict(stopped.saves_what_it_has, seen(stop)).startswith(found)
    scripted = replace(seen(stop), scripted=True)
    assert not verdict(stopped.saves_what_it_has, scripted).startswith("Doubtful")


def test_what_was_not_seen_of_a_stop_is_said_beside_a_pass() -> None:
    stop = run(143, signalled=replace(HEARD, lines=0), tree=())
    found = checks.merged(checks.run(each, seen(stop)) for each in checks_of(stopped))
    assert found.status.value == "pass"
    assert "what it saves was not observed" in found.message
    ended = checks.merged(checks.run(each, seen(run(0, "epoch 1"))) for each in checks_of(stopped))
    assert ended.status.value == "skip"


def stops_at(monkeypatch: pytest.MonkeyPatch, whole: Run, *stops: Run) -> tuple[Any, list[Moment]]:
    """What the scenario comes to, where each run that is stopped ends so; and when that was."""
    moments: list[Moment] = []
    left = list(stops)
    monkeypatch.setattr(endings, "stop", moments.append)
    monkeypatch.setattr(training_runs, "trained", lambda _bench: whole)
    monkeypatch.setattr(training_runs, "train", lambda *_args, **_more: left.pop(0))
    bench: Any = SimpleNamespace(
        subject=SimpleNamespace(samples=Samples()), once=lambda make: make(bench)
    )
    with stopped.stopped.stage(bench) as found:
        return found, moments


def test_a_stop_that_came_before_its_first_line_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether that line comes before the middle differs from run to run."""
    whole = replace(run(0, "epoch 1", "epoch 2", "done"), seconds=1.0, ended_at=1010.0)
    silent = run(0, signalled=replace(HEARD, lines=0), tree=())
    ended = run(0, "epoch 1", "epoch 2", "done")
    lost = run(0, "epoch 1", signalled=HEARD, tree=())
    for stops in ((silent, lost), (silent, ended, lost), (ended, lost)):
        found, moments = stops_at(monkeypatch, whole, *stops)
        assert verdict(stopped.saves_what_it_has, found).startswith("Doubtful")
        assert [each.lines for each in moments][1:] == [2, 1][: len(stops) - 1]
    found, moments = stops_at(monkeypatch, whole, silent, ended, ended)
    assert verdict(stopped.saves_what_it_has, found).startswith("Partly")
    slow = replace(whole, seconds=100.0)
    assert len(stops_at(monkeypatch, slow, silent)[1]) == 1


def test_a_run_that_is_over_at_once_is_stopped_by_its_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its middle is shorter than the time between two looks at the container."""
    lines = [f"epoch {number}" for number in range(8)]
    whole = replace(run(0, *lines), seconds=stopped.AT_ONCE_SECONDS / 2, ended_at=1010.0)
    ended, lost = run(0, *lines), run(0, "epoch 1", signalled=HEARD, tree=())
    found, moments = stops_at(monkeypatch, whole, lost)
    assert moments == [Moment(lines=4)]
    assert verdict(stopped.saves_what_it_has, found).startswith("Doubtful")
    found, moments = stops_at(monkeypatch, whole, ended, ended, lost)
    assert moments == [Moment(lines=4), Moment(lines=2), Moment(lines=1)]
    assert verdict(stopped.saves_what_it_has, found).startswith("Doubtful")
    once = replace(whole, lines=whole.lines[:1])
    assert stops_at(monkeypatch, once, run(0, "epoch 0"))[1] == [Moment(lines=1)]


def test_such_a_run_reads_an_endless_file_beside_the_first_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = replace(run(0, "done"), seconds=stopped.AT_ONCE_SECONDS / 2, ended_at=1010.0)
    heard, both = run(143, signalled=HEARD), threading.Barrier(2, timeout=HANG)

    def train(_bench: object, work: Job, **_more: object) -> Run:
        both.wait()
        return heard if work.fifos else run(0, "done")

    monkeypatch.setattr(training_runs, "trained", lambda _bench: whole)
    monkeypatch.setattr(training_runs, "train", train)
    samples = Samples(channels=(("training", __file__),))
    bench: Any = SimpleNamespace(
        subject=SimpleNamespace(samples=samples), once=lambda make: make(bench)
    )
    with stopped.stopped.stage(bench) as found:
        assert found.reading is heard
        assert verdict(stopped.stops_in_time, found) == "pass"


def test_the_middle_is_half_of_the_time_and_what_was_said_by_then() -> None:
    whole = run(0, "start", *(f"epoch {number}" for number in range(9)))
    assert stopped.middle(whole) == Moment(seconds=5.0, lines=6)
    assert stopped.middle(run(1)) == Moment()
    long = run(0, "a", seconds=600.0, ended_at=1600.0)
    assert stopped.middle(long) == Moment(seconds=stopped.MIDDLE_SECONDS, lines=1)


@pytest.mark.parametrize(
    ("signalled", "killed", "found"),
    [(HEARD, "", "pass"), (ALONE, "", "Unseen"), (None, "", "Unseen"), (HEARD, KILLED, "Broken")],
)
def test_a_processing_job_that_ends_by_itself_shows_nothing(
    signalled: Signalled | None, killed: str, found: str
) -> None:
    stop = run(143, signalled=signalled, killed=killed)
    assert verdict(processing.ends_on_sigterm, stop).startswith(found)


# Variants of a job, and what a failed one is diagnosed with.


def bundle(**alone: Run) -> Bundle:
    bench: Any = SimpleNamespace(subject=SimpleNamespace(samples=Samples()))
    made = {getattr(variants, name): found for name, found in alone.items()}
    return Bundle(bench=bench, plain=run(), together=run(1), _alone=made)


REFUSED = run(1, reason=b"this is not what was expected")
CRASHED = run(1, reason=b"KeyError: 'epochs'")


@pytest.mark.parametrize(
    ("long", "short", "size", "names"),
    [
        (run(), run(), "pass", "pass"),
        (REFUSED, REFUSED, "pass", "pass"),
        (REFUSED, run(), "Broken", "Broken"),
        (run(1), run(1), "pass", "Doubtful"),
        (CRASHED, CRASHED, "pass", "Doubtful"),
    ],
)
def test_a_reason_does_not_excuse_that_only_a_long_value_fails(
    long: Run, short: Run, size: str, names: str
) -> None:
    found = bundle(unknown=long, unknown_short=short, many=long)
    assert verdict(configuration.bears_long_values, found).startswith(size)
    assert verdict(configuration.bears_many_hyperparameters, found).startswith(size)
    assert verdict(configuration.bears_unknown_names, found).startswith(names)


@pytest.mark.parametrize(("alone", "found"), [(run(), "pass"), (run(1), "Broken: with the empty")])
def test_an_empty_cache_does_no_harm(alone: Run, found: str) -> None:
    assert verdict(configuration.bears_an_empty_cache, bundle(cached=alone)).startswith(found)
    work = variants.cached.change(Job(hyperparameters={}, channels=()))
    folder = work.environment["SAGEMAKER_MANAGED_WARMPOOL_CACHE_DIRECTORY"]
    assert folder.removeprefix("/opt/ml/") in work.folders


@pytest.mark.parametrize(
    "check", [edge_cases.bears_no_hyperparameters, edge_cases.bears_empty_channels]
)
def test_a_crash_is_no_reason(check: Check[Any]) -> None:
    assert verdict(check, edge_cases.Compared(plain=run(), run=REFUSED)) == "pass"
    assert verdict(check, edge_cases.Compared(plain=run(), run=CRASHED)).startswith("Doubtful")


def test_a_job_has_as_many_hyperparameters_as_it_may_and_one_long_name() -> None:
    work = Job(hyperparameters={"epochs": "2"}, channels=())
    sent = variants.many.change(work).hyperparameters
    assert len(sent) == 100
    assert max(map(len, sent)) == 256
    assert sent["epochs"] == "2"


def test_the_kernel_s_name_is_not_the_name_in_the_job() -> None:
    bench: Any = SimpleNamespace(once=lambda _make: ("one", "two"))
    start = variants.renamed.conditions(bench, Start(command=("train",)))
    host = variants.renamed.change(Job(hyperparameters={}, channels=())).host
    assert start.hostname not in (None, host)
    assert start.networks[0] == ("one", (host,))


def diagnosed(plain: Run, monkeypatch: pytest.MonkeyPatch, *mends: Variant) -> diagnosis.Diagnosis:
    """A run that fails, but for the variants that mend it."""

    def again(_bench: object, tried: tuple[Variant, ...], **_then: object) -> Run:
        return run() if set(tried) & set(mends) else plain

    monkeypatch.setattr("buildkit.contract.jobs.variations.train", again)
    samples = Samples(
        hyperparameters=(("layers", "[1, 2]"), ("name", "abc")), channels=(("training", "/x"),)
    )
    bench: Any = SimpleNamespace(subject=SimpleNamespace(samples=samples))
    return diagnosis.Diagnosis(bench=bench, plain=plain)


FAILS = run(1, "no way")
CAUSES = (
    (diagnosis.reads_values_as_text, FAILS, diagnosis.values),
    (diagnosis.needs_no_certain_encoding, FAILS, variants.encoded),
    (diagnosis.needs_no_addresses, FAILS, diagnosis.addresses),
    (diagnosis.needs_no_terminal, FAILS, diagnosis.TERMINAL),
    (diagnosis.needs_no_large_memory, run(1, "No space left on device"), diagnosis.LARGE_MEMORY),
)


@pytest.mark.parametrize(("check", "plain", "mends"), CAUSES)
def test_a_failed_run_is_blamed_on_what_mends_it(
    check: Check[Any], plain: Run, mends: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verdict(check, diagnosed(plain, monkeypatch, mends)).startswith("Broken")
    assert verdict(check, diagnosed(plain, monkeypatch)).startswith("Unseen")


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (diagnosis.needs_no_terminal, "EOFError: EOF when reading a line"),
        (diagnosis.needs_no_addresses, "KeyError: 'S3Uri'"),
    ],
)
def test_a_failed_run_may_say_it_itself(
    check: Check[Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verdict(check, diagnosed(run(1, said), monkeypatch)).startswith("Broken")


def test_lists_and_objects_come_as_text_too() -> None:
    found = diagnosis._values({"a": "[1]", "b": '{"c": 1}', "d": "2", "e": "abc", "f": '"x"'})
    assert found == {"a": [1], "b": {"c": 1}, "d": 2}
    (channel,) = diagnosis.addresses.change(
        Job(hyperparameters={}, channels=(Channel(name="training", path=None),))
    ).channels
    assert channel.facts["S3Uri"] == "s3://amzn-s3-demo-bucket/training"


def spread(seconds: float) -> Run:
    return run(lines=(Line(at=0.0, text="a"), Line(at=seconds, text="b")))


@pytest.mark.parametrize(
    ("plain", "unbuffered", "found"),
    [
        (0.6, 0.6, "pass"),  # they come one by one
        (0.0, 0.6, "Broken"),
        (0.0, 0.1, "Unseen"),  # too short to tell
        (0.2, 0.6, "Unseen"),
    ],
)
def test_a_log_is_only_good_where_its_lines_were_seen_to_be_apart(
    plain: float, unbuffered: float, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(_bench: object, tried: tuple[Variant, ...], **_then: object) -> Run:
        return spread(unbuffered if tried else plain)

    monkeypatch.setattr("buildkit.contract.jobs.variations.train", again)
    bench: Any = SimpleNamespace(subject=SimpleNamespace(samples=Samples()))
    case = diagnosis.Diagnosis(bench=bench, plain=spread(plain))
    assert verdict(diagnosis.log_is_not_held_back, case).startswith(found)


def test_signals_are_named_and_a_bus_error_is_shared_memory() -> None:
    assert str(End(135)) == "with 135 (SIGBUS: often a full /dev/shm)"
    assert End(135).signs == (Sign.SHARED_MEMORY,)
    assert str(End(137, "the kernel ended it")) == "with 137 (the kernel ended it)"
    assert str(End(1)) == "with 1"
    assert End(1).signs == End(137, "the kernel ended it").signs == ()
    assert "SIGSEGV" in run(139).evidence
    assert verdict(training.small_shared_memory, run(135)).startswith("Broken")
    assert verdict(training.small_shared_memory, run(1, "no way")).startswith("Unseen")


def test_a_reason_at_another_path_is_found() -> None:
    stray = Entry(name="failure", kind="file", size=1, mode=0o644, content=b"x")
    found = verdict(training.failure_leaves_its_reason, run(1, tree=(stray,)))
    assert "found /opt/ml/failure" in found
    data = replace(stray, name="input/data/x/error.txt")
    found = verdict(training.failure_leaves_its_reason, run(1, tree=(data,)))
    assert "there is" not in found


def test_the_cause_comes_before_the_traceback() -> None:
    trace = b"Traceback (most recent call last):\n  File x\nValueError: no data"
    found = verdict(training.failure_leaves_its_reason, run(1, reason=trace))
    assert found.startswith("Doubtful")
    assert (
        verdict(training.failure_leaves_its_reason, run(1, reason=b"no data\n" + trace)) == "pass"
    )


# An image that is an interpreter.


@pytest.mark.parametrize(
    ("entrypoint", "command", "found"),
    [
        (("python3",), (), "python3"),
        ((), ("python3",), "python3"),
        (("/usr/bin/env", "python3.11", "-u"), (), "/usr/bin/env python3.11 -u"),
        (("python3", "/opt/program/process.py"), (), ""),
        (("process",), (), ""),
        (("/usr/local/bin/cuda-compat", "535"), ("python3",), "python3"),
        (("/usr/local/bin/cuda-compat", "535"), (), ""),
        ((), (), ""),
    ],
)
def test_an_interpreter_is_known_by_its_name(
    entrypoint: tuple[str, ...], command: tuple[str, ...], found: str
) -> None:
    view = ImageView(
        id="x", os="linux", architecture="amd64", user="", entrypoint=entrypoint, command=command
    )
    assert processing.interpreter(view) == found


def test_an_interpreter_is_not_blamed_for_having_nothing_to_do() -> None:
    idle = run(0, tree=(), idle="the image starts `python3`")
    for check in (processing.success_is_zero, processing.outputs_are_files):
        assert verdict(check, idle) == "Unseen: the image starts `python3`"
    assert verdict(processing.starts, idle) == "pass"
    assert verdict(processing.starts, replace(idle, exit_code=127)).startswith("Broken")


@pytest.mark.parametrize(
    ("left", "shown"),
    [
        (b"no column \x1b[31m `x`\n" + b"y" * 400, "is 'no column \\x1b[31m `x` yyy"),
        (b"  \n", ""),
        (None, ""),
    ],
)
def test_the_reason_that_a_run_left_comes_before_its_last_lines(
    left: bytes | None, shown: str
) -> None:
    failed = run(1, reason=left)
    assert shown in failed.evidence
    assert len(failed.evidence) < 450
    assert ("its reason in" in failed.evidence) is bool(shown)
    bare = verdict(training.success_is_zero, replace(failed, bare=True))
    assert bare.startswith("Unsampled: no samples are declared")
    assert shown in bare


@pytest.mark.parametrize(
    ("kind", "target", "told"),
    [
        ("link", "/etc/shadow", "; /opt/ml/output/failure is a link to /etc/shadow"),
        ("pipe", "", "; /opt/ml/output/failure is a pipe"),
        ("folder", "", "; /opt/ml/output/failure is a folder"),
    ],
)
def test_what_lies_where_the_reason_should_be_is_said(kind: str, target: str, told: str) -> None:
    left = Entry(name="output/failure", kind=kind, size=0, mode=0o644, target=target)
    assert told in verdict(training.failure_leaves_its_reason, run(1, tree=(left,)))
    after = verdict(training.success_leaves_no_reason, run(0, tree=(left,)))
    assert after.startswith("Doubtful" if kind == "folder" else "Broken")
    large = Entry(name="output/failure", kind="file", size=10**6, mode=0o644)
    found = verdict(training.failure_leaves_its_reason, run(1, tree=(large,)))
    assert found.startswith("Doubtful")
