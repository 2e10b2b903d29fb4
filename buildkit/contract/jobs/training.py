"""Clauses of training that apply to every image: how a job starts, ends and what it leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from buildkit.contract import machine
from buildkit.contract.checks import Broken, Doubtful, Unsampled, Unseen, check, hindered
from buildkit.contract.jobs import endings, training_job, training_runs
from buildkit.contract.jobs.endings import Ending
from buildkit.contract.logs import last_lines
from buildkit.contract.scenario import observation
from buildkit.contract.signs import Sign
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from buildkit.contract.engine import Container, Line
    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.scenario import Bench

TRACEBACK = "Traceback (most recent call last)"
REASON_CHARACTERS = 1024
"""The part of the failure file that becomes FailureReason (OUT-02)."""
KNOWN_FOLDERS = frozenset(
    ["input", "model", "output", "code", "checkpoints", "errors", "sagemaker", "metadata", "shared"]
)
"""Entries right below `/opt/ml` that SageMaker knows: others are lost (TREE-01)."""
KNOWN_FOLDERS_OF_OUTPUT = frozenset(["data", "intermediate", "tensors", "profiler", "metrics"])
KNOWN_OUTPUTS = KNOWN_FOLDERS_OF_OUTPUT | {"failure", "message", "success"}
OUTPUTS = ("output", "output/data", "checkpoints")
"""Folders of results that SageMaker keeps, besides the model."""
INPUTS = ("input", "input/config", "input/data", "code")
DAEMON_SECONDS = 10
"""Seconds from the last line to the end of a job: more is billed for nothing (OUT-06)."""
LOOK_SECONDS = 0.5
"""Between two looks at the last line."""
PRIVILEGES = ("operation not permitted", "/dev/fuse", "docker daemon", "privileged")
BUS_ERROR = 135
"""The exit code after SIGBUS, which a full /dev/shm causes."""
SHARED_MEMORY = ("bus error", "shared memory", "/dev/shm")  # noqa: S108 - what a log says


@observation("`train` without its channels", Purpose.TRAINING)
def without_channels(bench: Bench) -> Run:
    work = training_job.of(bench.subject.samples)
    if not bench.subject.samples.declared:
        raise Unsampled("no samples are declared, so it is unknown which channels the image needs")
    if not work.channels:
        raise Unsampled("no channel is declared, so none can be left out")
    return training_runs.train(bench, replace(work, channels=()))


@observation("the end of `train` on the samples", Purpose.TRAINING)
def prompt_end(bench: Bench) -> Run:
    run = training_runs.trained(bench)
    late = run.ended_at is not None and run.lines and run.ended_at - run.lines[-1].at
    if not run.good or not late or late <= DAEMON_SECONDS:
        return run
    return training_runs.train(bench, training_job.of(bench.subject.samples), then=_while_it_talks)


def _while_it_talks(bench: Bench, container: Container) -> Ending:
    """Wait for the end. No exit code if the program ran on for too long after its last line."""
    whole = machine.of(bench).limit(container, endings.TRAIN_SECONDS)
    said: tuple[Line, ...] = ()
    limit = machine.of(bench).limit(container, DAEMON_SECONDS)
    while (code := container.wait(LOOK_SECONDS)) is None and not whole.expired():
        if (now := container.lines()[-1:]) != said:
            said, limit = now, machine.of(bench).limit(container, DAEMON_SECONDS)
        limit.expired()
    return Ending(exit_code=None if limit.passed else code)


on_samples = observation("`train` on the samples", Purpose.TRAINING)(training_runs.trained)


@check("RUN-01", on_samples, smoke=True)
def starts(run: Run) -> None:
    """The engine can start `train`, which does not exit like a missing program."""
    if run.refusal is not None:
        raise Broken(f"the engine cannot start `train`: {run.refusal}", *run.signs)
    if not run.ran:
        raise Broken(
            f"`train` ended with {run.exit_code}, like a program that is missing or not executable"
            f"{last_lines(run.log)}",
            *run.signs,
        )


@check("OUT-01", on_samples, smoke=True, decides=True)
def success_is_zero(run: Run) -> None:
    """The run on the samples ends with 0."""
    _need_start(run)
    if run.starved or (run.bare and run.exit_code and not run.ended_by):
        raise Unsampled(
            f"no samples are declared, and without them `train` {run.outcome}",
            run.last_words,
            *run.signs,
            said=run.reason,
        )
    if not run.good:
        raise Broken(f"`train` on the samples {run.evidence}", Sign.SAMPLES_FAIL, *run.signs)


@check("OUT-01", without_channels, smoke=True, gap="no failed run was seen")
def failure_is_not_zero(run: Run) -> None:
    """The run without channels does not end with 0."""
    _need_start(run)
    if not run.exit_code:
        raise Broken(
            f"`train` without its channels {run.evidence}", Sign.FAILURE_UNSEEN, *run.signs
        )


@check("OUT-02", on_samples, smoke=True, gap="no successful run was seen")
def success_leaves_no_reason(run: Run) -> None:
    """A successful run leaves no failure file behind."""
    _need_success(run)
    if run.at(training_runs.FAILURE) is not None:
        raise Broken("a successful run left a failure file behind", Sign.REASON_LEFT)
    if run.has_folder(training_runs.FAILURE):
        raise Doubtful(
            f"a successful run left a folder at /opt/ml/{training_runs.FAILURE}: a run that fails "
            "cannot write its reason there",
            Sign.REASON_NO_FILE,
        )


@check("OUT-02", without_channels, smoke=True, decides=True)
def failure_leaves_its_reason(run: Run) -> None:
    """The failed run leaves text in /opt/ml/output/failure; 1024 characters are checked."""
    _need_start(run)
    if run.exit_code == 0:
        raise Unseen("the run without channels did not fail")
    _need_reason(run)


@check("OUT-02", on_samples, smoke=True, decides=True)
def bare_failure_leaves_its_reason(run: Run) -> None:
    """If no samples are declared, a run that fails without them also leaves a reason."""
    if not (run.bare and run.ran and run.exit_code) or run.ended_by:
        raise Unseen("no run without samples failed by itself")
    _need_reason(run)


def _need_reason(run: Run) -> None:
    left = run.at(training_runs.FAILURE)
    if left is not None and left.kind == "file" and left.content is None:
        raise Doubtful(
            f"the reason in /opt/ml/{training_runs.FAILURE} has {left.size} bytes: users see only "
            f"the first {REASON_CHARACTERS} characters"
        )
    try:
        text = (run.file(training_runs.FAILURE) or b"").decode().strip()
    except UnicodeDecodeError as error:
        evidence = "the reason in /opt/ml/output/failure is not UTF-8"
        raise Broken(evidence, Sign.REASON_UNCLEAR) from error
    if not text:
        where, signs = _elsewhere(run)
        evidence = f"the failed run wrote no reason{where}{last_lines(run.log)}"
        raise Broken(evidence, *signs, *run.signs)
    if not any(letter.isalnum() for letter in text[:REASON_CHARACTERS]):
        raise Broken(f"the reason says nothing: {text[:80]!r}", Sign.REASON_UNCLEAR)
    if text.startswith(TRACEBACK):
        raise Doubtful(
            "the reason begins with a traceback: users see only the first 1024 characters",
            Sign.REASON_UNCLEAR,
        )


@check("OUT-03", on_samples, smoke=True, decides=True)
def model_appears(run: Run) -> None:
    """/opt/ml/model holds a file after the run, and no link that leads out of it."""
    _need_success(run)
    _need_folders(run, "model", loss="it is not kept")
    if not run.has_model:
        raise Broken(f"/opt/ml/model is empty after training{last_lines(run.log)}")
    _need_no_way_out(run, "model")


@check("LOG-01", on_samples, smoke=True, decides=True)
def logs_something(run: Run) -> None:
    """The run prints something on stdout or stderr."""
    _need_start(run)
    if not run.log.strip():
        if run.starved:  # it may still wait for data that nobody declares
            raise Unsampled(training_runs.STARVED)
        raise Broken("`train` printed nothing")


@check("OUT-05", on_samples)
def nothing_is_lost(run: Run) -> None:
    """The run leaves results only where SageMaker keeps them, and no link that leads out."""
    _need_success(run)
    _need_folders(run, *OUTPUTS, loss="results in it are not kept")
    _need_no_way_out(run, "output/data")
    lost = [each.name for each in run.below("output") if not _is_known(each.name)]
    if lost:
        raise Broken(
            f"SageMaker does not keep /opt/ml/{lost[0]}, only output/data and output/failure"
        )


@check("TREE-01", on_samples)
def paths_are_known(run: Run) -> None:
    """The run replaces no folder of inputs, and creates none in /opt/ml that is not known."""
    _need_success(run)
    if run.tree is None:
        raise Unseen("the files in /opt/ml after the run are too large to be read")
    _need_folders(run, *INPUTS, loss="inputs are mounted there")
    strange = sorted({_part(each.name, 0) for each in run.tree} - KNOWN_FOLDERS - {"", "ml"})
    if strange:
        raise Broken(f"`train` wrote /opt/ml/{strange[0]}, which SageMaker does not keep")


@check("OUT-06", prompt_end)
def ends_promptly(run: Run) -> None:
    """The run ends within 10 s of its last line, in one of two tries."""
    if not run.lines:
        raise Unseen("`train` printed nothing")
    if run.exit_code is None and not run.ended_by:
        last = run.lines[-1].text[:80]
        raise Doubtful(f"`train` ended more than {DAEMON_SECONDS} s after its last line: {last!r}")
    _need_success(run)


@check("IMG-04", on_samples)
def needs_no_privilege(run: Run) -> None:
    """The log of a failed run does not blame a missing privilege."""
    _blames(run, PRIVILEGES, "`train` needs a privilege that SageMaker never grants")


@check("DIST-10", on_samples, decides=True)
def small_shared_memory(run: Run) -> None:
    """The log of a failed run does not blame /dev/shm of 64 MB, and SIGBUS does not end it."""
    if run.exit_code == BUS_ERROR and not run.ended_by:
        evidence = f"64 MB of shared memory do not seem to be enough: `train` {run.evidence}"
        raise Broken(evidence, Sign.SHARED_MEMORY)
    _blames(run, SHARED_MEMORY, "64 MB of shared memory are not enough", Sign.SHARED_MEMORY)


def _elsewhere(run: Run) -> tuple[str, tuple[Sign, ...]]:
    """Where the run left something that looks like a reason, if anywhere."""
    for left in (run.at("output"), run.at(training_runs.FAILURE)):
        if left is not None and left.kind != "file":
            return f"; /opt/ml/{left.name} is {left.described}", (Sign.REASON_NO_FILE,)
    if run.has_folder(training_runs.FAILURE):
        return f"; /opt/ml/{training_runs.FAILURE} is a folder", (Sign.REASON_NO_FILE,)
    found = [each.name for each in run.tree or () if each.kind == "file" and _is_reason(each.name)]
    return (f"; found /opt/ml/{found[0]}", (Sign.REASON_ELSEWHERE,)) if found else ("", ())


def _is_reason(name: str) -> bool:
    path = PurePosixPath(name)
    known = name == training_runs.FAILURE or name.startswith("input/")
    return path.stem.lower() in ("failure", "error", "errors") and not known


def _need_start(run: Run) -> None:
    if not run.ran:
        raise hindered("`train` did not start", Sign.SAMPLES_FAIL)


def _need_success(run: Run) -> None:
    if not run.good:
        raise hindered("training failed", Sign.SAMPLES_FAIL)


def _blames(run: Run, words: tuple[str, ...], verdict: str, *signs: Sign) -> None:
    _need_start(run)
    if run.good:
        return
    for line in (*run.said, *run.log.splitlines()):
        if any(word in line.lower() for word in words):
            raise Broken(f"{verdict}: {line.strip()[:200]}", *signs)
    raise hindered("training failed for another reason", Sign.SAMPLES_FAIL)


def _is_known(name: str) -> bool:
    """Whether SageMaker or a toolkit knows this path below output; some of them are no folders."""
    return _part(name, 1) in (KNOWN_FOLDERS_OF_OUTPUT if _part(name, 2) else KNOWN_OUTPUTS)


def _part(name: str, number: int) -> str:
    parts = PurePosixPath(name).parts
    return parts[number] if len(parts) > number else ""


def _need_folders(run: Run, *names: str, loss: str) -> None:
    """Raise Broken for a folder of `/opt/ml` that the run has replaced."""
    for name in names:
        left = run.at(name)
        if left is not None:
            raise Broken(
                f"after training /opt/ml/{name} is not a folder but {left.described}: {loss}"
                f"{last_lines(run.log)}"
            )


def _need_no_way_out(run: Run, folder: str) -> None:
    """Raise Broken for a link below a folder of `/opt/ml` that leads out of it."""
    for each in run.below(folder):
        if each.kind == "link" and _leads_out(each.name.removeprefix(f"{folder}/"), each.target):
            raise Broken(
                f"/opt/ml/{each.name} is a link to {each.target}, outside /opt/ml/{folder}"
            )


def _leads_out(name: str, target: str) -> bool:
    """Whether a link, by its name below a folder, leads out of that folder."""
    if target.startswith("/"):
        return True
    depth = len(PurePosixPath(name).parts) - 1
    for part in PurePosixPath(target).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False
