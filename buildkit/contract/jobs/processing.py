"""Clauses of processing jobs (PROC): started without arguments, and judged by their outputs."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from buildkit.contract import machine
from buildkit.contract.checks import Broken, Doubtful, Unsampled, Unseen, check, hindered
from buildkit.contract.engine import Start
from buildkit.contract.image.basics import still
from buildkit.contract.jobs import endings, processing_job, training_job, training_runs
from buildkit.contract.logs import last_lines
from buildkit.contract.scenario import Scenario, observation
from buildkit.contract.signs import Sign

if TYPE_CHECKING:
    from buildkit.contract.engine import Container, Entry, ImageView
    from buildkit.contract.image.basics import StillImage
    from buildkit.contract.jobs.endings import Ending
    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.scenario import Bench

MESSAGE = "output/message"
GOING_SECONDS = 5
"""Time for a program to start before it gets a signal."""
STOP_SECONDS = 60
"""From the signal to the end (RUN-10)."""
LOOK_SECONDS = 0.2
CUDA_COMPAT = "cuda-compat"
INTERPRETER = re.compile(
    r"(python|pypy|Rscript|R|bash|sh|dash|perl|ruby|node|java|julia|spark-submit|env)[\d.]*"
)


def need_words(bench: Bench) -> None:
    """Raises Unseen for an image without a command: an engine creates no container of it."""
    if not _words(bench.engine.view(bench.subject.image)):
        raise Unseen("the image has no ENTRYPOINT or CMD to start")


def _words(view: ImageView) -> tuple[str, ...]:
    """The command of the image, without `cuda-compat OLDEST` of our template before it."""
    words = (*view.entrypoint, *view.command)
    return words[2:] if words and PurePosixPath(words[0]).name == CUDA_COMPAT else words


def interpreter(view: ImageView) -> str:
    """The interpreter that the image starts, if each job passes a script to it; else empty."""
    words = _words(view)
    names = [PurePosixPath(word).name for word in words if not word.startswith("-")]
    alone = bool(names) and all(INTERPRETER.fullmatch(name) for name in names)
    return " ".join(words) if alone else ""


def _processed(bench: Bench) -> Run:
    need_words(bench)
    samples = bench.subject.samples
    run = training_runs.train(bench, processing_job.of(bench.subject.image, samples), start=Start())
    found = interpreter(bench.engine.view(bench.subject.image))
    idle = found and f"the image starts `{found}`, and each job passes its own script"
    return replace(run, idle=idle, bare=not (samples.declared and samples.channels))


def needs_processed(bench: Bench) -> Run:
    """The run on the samples. Raises Unseen if it failed, or had nothing to do."""
    run = bench.once(_processed)
    if run.idle:
        raise Unseen(run.idle)
    if not run.good:
        reason = "`docker run IMAGE` fails on the samples, so there is nothing to compare with"
        raise hindered(reason, Sign.PROCESSING_FAILS)
    return run


@dataclass(frozen=True, kw_only=True)
class Misled:
    """The run on the samples; if it failed, also one with the configuration of a training job."""

    plain: Run
    again: Run | None


@observation("`docker run IMAGE` on the samples; after a failure, again with training's files")
def misled(bench: Bench) -> Misled:
    plain, again = bench.once(_processed), None
    if plain.exit_code and not (plain.idle or plain.bare):
        samples = bench.subject.samples
        configuration = training_job.of(samples).configuration()
        files = [
            (f"input/config/{name}.json", json.dumps(content).encode())
            for name, content in configuration.items()
        ]
        work = processing_job.of(bench.subject.image, samples)
        again = training_runs.train(bench, replace(work, files=tuple(files)), start=Start())
    return Misled(plain=plain, again=again)


@observation("`docker run IMAGE` without inputs")
def without_inputs(bench: Bench) -> Run:
    if (plain := bench.once(_processed)).idle:
        raise Unseen(plain.idle)
    if not bench.subject.samples.channels:
        raise Unsampled("no channel is declared, so none can be left out")
    work = processing_job.of(bench.subject.image, bench.subject.samples)
    return training_runs.train(bench, replace(work, inputs=()), start=Start())


def _stopped(name: str) -> Scenario[Run]:
    """A run that gets a signal while it reads an endless input."""

    def then(bench: Bench, container: Container) -> Ending:
        here = machine.of(bench)
        going = here.limit(container, GOING_SECONDS)
        while not going.expired():
            if container.wait(0) is not None:
                raise Unseen(f"the container ended before {name} was sent")
            time.sleep(LOOK_SECONDS)
        return endings.signal(here, container, STOP_SECONDS, name=name)

    @observation(f"`docker run IMAGE`, then {name} while it reads")
    def run(bench: Bench) -> Run:
        needs_processed(bench)
        work = processing_job.of(bench.subject.image, bench.subject.samples)
        fifos = tuple(
            f"{processing_job.INPUT}/{name}/{training_job.endless_name(path)}"
            for name, path in work.inputs
        )
        if not fifos:
            raise Unsampled("no channel is declared for an endless input")
        return training_runs.train(bench, replace(work, fifos=fifos), start=Start(), then=then)

    return run


PROCESSED = observation("`docker run IMAGE` on the samples")(_processed)
TERMINATED = _stopped("SIGTERM")
INTERRUPTED = _stopped("SIGINT")


@check("PROC-01", PROCESSED, decides=True)
def starts(run: Run) -> None:
    """The engine can start the image, which does not exit like a missing program."""
    if not run.ran:
        raise Broken(f"`docker run IMAGE` {run.evidence}")


@check("PROC-01", still)
def passes_arguments_on(image: StillImage) -> None:
    """The entrypoint is not a shell that drops the arguments of the job."""
    shell, *words = image.view.entrypoint or ("",)
    drops = words[:1] == ["-c"] and shell.endswith("sh") and not re.search(r"\$[@*0-9]", words[-1])
    if drops:
        raise Broken(f"the entrypoint {list(image.view.entrypoint)} drops the arguments of a job")


@check("PROC-02", PROCESSED, decides=True)
def success_is_zero(run: Run) -> None:
    """The run on the samples ends with 0."""
    _need_work(run)
    if run.starved or (run.bare and run.exit_code and not run.ended_by):
        raise Unsampled(
            f"no samples are declared, and without inputs `docker run IMAGE` {run.outcome}",
            run.last_words,
            said=run.reason,
        )
    if not run.good:
        raise Broken(f"on the samples `docker run IMAGE` {run.evidence}", Sign.PROCESSING_FAILS)


@check("PROC-02", without_inputs, gap="no failed run was seen")
def failure_is_not_zero(run: Run) -> None:
    """The run without inputs does not end with 0."""
    if run.refusal is not None:
        raise hindered("the container did not start", Sign.PROCESSING_FAILS)
    evidence = f"without inputs `docker run IMAGE` {run.evidence}"
    if run.exit_code is None:
        raise Broken(evidence, Sign.FAILURE_UNSEEN)
    if run.exit_code == 0:
        raise Doubtful(evidence, Sign.FAILURE_UNSEEN)


@check("PROC-03", PROCESSED)
def outputs_are_files(run: Run) -> None:
    """The run leaves a new file below /opt/ml/processing, and no link."""
    _need_work(run)
    if not run.good:
        raise hindered("`docker run IMAGE` failed on the samples", Sign.PROCESSING_FAILS)
    made = [each for each in run.below("processing") if not _below(each, processing_job.INPUT)]
    if (replaced := run.at("processing")) is not None:
        raise Broken(f"/opt/ml/processing is not a folder but {replaced.described}")
    for each in made:
        if each.kind == "link":
            raise Broken(f"/opt/ml/{each.name} is a link to {each.target}")
    if not any(each.kind == "file" for each in made):
        raise Doubtful(f"/opt/ml/{processing_job.OUTPUT} holds no file{last_lines(run.log)}")


@check("PROC-04", misled)
def needs_no_training_files(seen: Misled) -> None:
    """There is no /opt/ml/input/config. A run that fails must not pass with a training job's."""
    _need_work(seen.plain)
    if seen.plain.good:
        return
    if seen.again is None or not seen.again.good:
        raise hindered("`docker run IMAGE` fails for another reason", Sign.PROCESSING_FAILS)
    raise Broken(
        "`docker run IMAGE` needs /opt/ml/input/config, which only training jobs have: without it "
        f"the run {seen.plain.evidence}",
        Sign.PROCESSING_FAILS,
    )


@check("PROC-05", without_inputs)
def failure_leaves_a_message(run: Run) -> None:
    """The run without inputs leaves UTF-8 text in /opt/ml/output/message."""
    if run.refusal is not None or not run.exit_code:
        raise Unseen("the run without inputs did not fail")
    try:
        text = (run.file(MESSAGE) or b"").decode()
    except UnicodeDecodeError as error:
        raise Broken(f"/opt/ml/{MESSAGE} is not UTF-8: {error}") from error
    if not text.strip():
        raise Broken(f"the failed run wrote no /opt/ml/{MESSAGE}{last_lines(run.log)}")


def _ends(run: Run, name: str) -> None:
    if run.killed:
        raise Broken(f"{name} does not end the container: SIGKILL was needed{last_lines(run.log)}")
    if run.signalled is None or run.signalled.heard is False:
        raise Unseen(f"the container ended by itself before {name} could have an effect")


@check("RUN-10", TERMINATED, gap="the effect of SIGTERM was not seen")
def ends_on_sigterm(run: Run) -> None:
    """The container ends within a minute."""
    _ends(run, "SIGTERM")


@check("RUN-10", INTERRUPTED, gap="the effect of SIGINT was not seen")
def ends_on_sigint(run: Run) -> None:
    """The container ends within a minute."""
    _ends(run, "SIGINT")


def _need_work(run: Run) -> None:
    if run.idle:
        raise Unseen(run.idle)
    if run.refusal is not None:
        raise hindered("the container did not start", Sign.PROCESSING_FAILS)


def _below(entry: Entry, folder: str) -> bool:
    return entry.name.startswith(f"{folder}/")
