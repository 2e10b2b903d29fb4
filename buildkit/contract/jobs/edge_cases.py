"""Clauses of training in edge cases: no input, nothing writable, no GPU, an unknown word."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkit.contract.archive import Archive
from buildkit.contract.checks import Broken, Doubtful, Unsampled, Unseen, check, hindered
from buildkit.contract.engine import Mount, Start
from buildkit.contract.jobs import endings, training_job, training_runs, variations
from buildkit.contract.jobs.configuration import crashed, reason
from buildkit.contract.jobs.variants import lacks_channel
from buildkit.contract.jobs.variations import Bundle, Variant, excuse_slow
from buildkit.contract.logs import last_lines
from buildkit.contract.scenario import Scenario, observation
from buildkit.contract.signs import Sign
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from buildkit.contract.jobs.training_job import Job
    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.scenario import Bench

GPU_SECONDS = 60
"""From the start to the end of a run without its GPU (GPU-04)."""
WORD = "no-such-word"
WORD_SECONDS = 20
PATIENT_SECONDS = 120
"""The time limit of a start with an unknown word, for an image that does not serve."""
CRASHES = ("Traceback (most recent call last)", "panic:", "Segmentation fault", "core dumped")


@dataclass(frozen=True, kw_only=True)
class Compared:
    plain: Run
    run: Run


def _compared(title: str, variant: Variant) -> Scenario[Compared]:
    """A run that may fail, if it leaves a reason."""

    @observation(title, Purpose.TRAINING)
    def compared(bench: Bench) -> Compared:
        plain = training_runs.needs_good(bench)
        variant.need(training_job.of(bench.subject.samples))
        return Compared(plain=plain, run=variations.train(bench, (variant,)))

    return compared


def _is_the_sdks(name: str) -> bool:
    """Whether a hyperparameter names the script of a script-mode image: those are kept."""
    return name.startswith("sagemaker_")


def _lacks_hyperparameters(work: Job) -> Unseen | None:
    own = [name for name in work.hyperparameters if not _is_the_sdks(name)]
    return None if own else Unseen("no hyperparameter is declared, so none can be left out")


@Variant(title="no hyperparameters", lacks=_lacks_hyperparameters)
def no_hyperparameters(work: Job) -> Job:
    kept = {name: text for name, text in work.hyperparameters.items() if _is_the_sdks(name)}
    return replace(work, hyperparameters=kept)


@Variant(title="empty channels", lacks=lacks_channel)
def empty_channels(work: Job) -> Job:
    work = work.with_facts(lambda _channel: {"S3DistributionType": "ShardedByS3Key"})
    return replace(work, channels=tuple(replace(each, path=None) for each in work.channels))


BARE = _compared("`train` without hyperparameters", no_hyperparameters)
SHARDED = _compared("`train` on empty channels", empty_channels)


@check("CFG-01", BARE)
def bears_no_hyperparameters(seen: Compared) -> None:
    """Without hyperparameters `train` ends with 0, or fails with a reason instead of a crash."""
    _need_reason(seen, "without hyperparameters", certain=_crashed(seen.run))


@check("DATA-02", SHARDED)
def bears_empty_channels(seen: Compared) -> None:
    """On channels without a file, as a host may have, `train` ends, and a failure has a reason."""
    _need_reason(seen, "on empty channels", certain=seen.run.exit_code is None)


def _need_reason(seen: Compared, when: str, *, certain: bool) -> None:
    """A run that fails must leave a reason, and not a crash. Raises Unseen if it was only slow."""
    run = seen.run
    excuse_slow(seen.plain, run)
    if run.good:
        return
    if run.exit_code is None or not reason(run):
        evidence = f"{when} `train` wrote no reason to /opt/ml/output/failure, and {run.evidence}"
        raise (Broken if certain else Doubtful)(evidence, *run.signs)
    if crash := crashed(run):
        raise Doubtful(f"{when} `train` crashes instead of naming what it lacks: {crash}")


def _crashed(run: Run) -> bool:
    """Whether a run crashed, hangs, or ended without any output."""
    text = "\n".join(run.said)
    return run.exit_code is None or not text.strip() or any(sign in text for sign in CRASHES)


def _channel_mounts(bench: Bench) -> tuple[Mount, ...]:
    """A volume for each channel."""
    mounts = []
    for channel in training_job.of(bench.subject.samples).channels:
        path = f"{training_job.ROOT}/input/data/{channel.name}"
        archive = Archive()
        if channel.path is None:
            archive.folder(channel.name)
        else:
            archive.tree(channel.name, channel.path)
        volume = training_runs.filled(bench, path, archive.chunks())
        mounts.append(Mount(volume=volume, path=path, read_only=True))
    return tuple(mounts)


@Variant(
    title="read-only channels",
    conditions=lambda bench, start: replace(start, mounts=bench.once(_channel_mounts)),
    lacks=lacks_channel,
)
def read_only_channels(work: Job) -> Job:
    absent = (replace(each, path=None, absent=True) for each in work.channels)
    return replace(work, channels=tuple(absent))


READ_ONLY_ROOT = Variant(
    title="a file system that is read-only except for /opt/ml and /tmp",
    conditions=lambda _bench, start: replace(start, read_only=True, scratch=("/tmp",)),  # noqa: S108
)
READ_ONLY = variations.of(
    "`train` with channels and a root file system that are read-only",
    (read_only_channels, READ_ONLY_ROOT),
)


@check("DATA-03", READ_ONLY)
def only_reads_its_channels(seen: Bundle) -> None:
    """Each channel is mounted read-only, as in FastFile mode."""
    seen.good(read_only_channels)


@check("TREE-03", READ_ONLY, decides=True)
def writes_where_there_is_room(seen: Bundle) -> None:
    """Only /opt/ml and /tmp are writable."""
    seen.fair(READ_ONLY_ROOT)


@observation("`train` without a GPU", Purpose.TRAINING, alone=True)
def without_gpu(bench: Bench) -> Run:
    run = training_runs.trained(bench)
    if not run.good and run.refusal is None and run.seconds > GPU_SECONDS:
        work = training_job.of(bench.subject.samples)  # now without other scenarios
        run = training_runs.train(bench, work, then=endings.within(GPU_SECONDS))
    return run


@check("GPU-04", without_gpu)
def does_without_gpu(run: Run) -> None:
    """`train` ends with 0, or fails within 60 s with a reason."""
    if run.refusal is not None:
        raise hindered("`train` did not start", Sign.SAMPLES_FAIL)
    if run.good:
        return
    if run.starved:
        raise Unsampled(training_runs.STARVED)
    if run.exit_code is None:
        raise Broken(f"without a GPU `train` ran for {run.seconds:.0f} s, and {run.evidence}")
    if not reason(run):
        raise Broken(f"without a GPU `train` wrote no reason, and {run.evidence}")


@dataclass(frozen=True, kw_only=True)
class Word:
    """A container that was started with an unknown word. `serves`: it may be a server."""

    serves: bool
    run: Run


@observation(f"a start with the word `{WORD}`")
def strange(bench: Bench) -> Word:
    purpose = bench.subject.purpose
    seconds = WORD_SECONDS if purpose.serves else PATIENT_SECONDS
    start = Start(command=(WORD,))
    with training_runs.laid_out(
        bench, training_job.of(bench.subject.samples), start=start
    ) as container:
        run = training_runs.finish(bench, container, then=endings.within(seconds))
    return Word(serves=purpose.serves, run=run)


@check("RUN-03", strange)
def refuses_strange_words(word: Word) -> None:
    """The program does not end with 0; only a server may ignore the word and keep running."""
    run = word.run
    if run.refusal is not None:
        return
    if run.exit_code is None and not word.serves:
        raise Broken(f"`docker run IMAGE {WORD}` {run.evidence}")
    if run.exit_code == 0:
        raise Broken(f"`docker run IMAGE {WORD}` ended with 0{last_lines(run.log)}")
