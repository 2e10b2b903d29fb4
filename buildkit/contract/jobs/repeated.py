"""Clauses of jobs in parallel and in sequence (RUN-13, WARM-01, HPO-02)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkit.contract.checks import Unseen, check
from buildkit.contract.jobs import training_job, training_runs
from buildkit.contract.jobs.training_job import CACHE, WARM_POOL
from buildkit.contract.jobs.variations import blame
from buildkit.contract.scenario import observation
from buildkit.contract.signs import Sign
from buildkit.model.features import Feature
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from buildkit.contract.jobs.training_job import Job
    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.scenario import Bench

LEFT_OVERS = (
    (f"{CACHE}/left-over.bin", bytes(range(256))),
    (f"{CACHE}/left-over.lock", b"12345\n"),
    (f"{CACHE}/models/half", b""),
)


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """`pair`: two parallel jobs. `warm`: a job over the files of the first one, with a cache.

    `cold`: a job over the files of the second one, without a cache, if the warm one failed.
    """

    plain: Run
    pair: tuple[Run, Run]
    warm: Run | None
    cold: Run | None


def named(work: Job, number: int) -> Job:
    """The same job under another name."""
    name = f"{training_job.NAME}-{number}"
    changed = {key: text.replace(training_job.NAME, name) for key, text in work.environment.items()}
    return replace(work, environment=changed)


@observation("`train` twice in parallel, and again over what it left", Purpose.TRAINING)
def repeated(bench: Bench) -> Repeats:
    plain = training_runs.needs_good(bench)
    work = training_job.of(bench.subject.samples)
    if Feature.CHECKPOINTS in bench.subject.features:
        work = replace(work, folders=(*work.folders, "checkpoints"))
    with bench.engine.volume() as first, bench.engine.volume() as second:
        with ThreadPoolExecutor(max_workers=2) as pool:
            left = pool.submit(training_runs.train, bench, named(work, 1), volume=first)
            right = pool.submit(training_runs.train, bench, named(work, 2), volume=second)
            pair = left.result(), right.result()
        warm = cold = None
        if all(run.good for run in pair):
            cached = replace(named(work, 3), files=LEFT_OVERS)
            warm = training_runs.train(bench, cached.with_variables(WARM_POOL), volume=first)
            if not warm.good:
                cold = training_runs.train(bench, named(work, 4), volume=second)
        return Repeats(plain=plain, pair=pair, warm=warm, cold=cold)


@check("HPO-02", repeated)
def runs_side_by_side(repeats: Repeats) -> None:
    """Two parallel jobs, each with its own name and folders."""
    for run in repeats.pair:
        blame(repeats.plain, run, "another job in parallel and a name of its own")


@check("RUN-13", repeated)
def runs_again(repeats: Repeats) -> None:
    """A job over the model, output and checkpoints of the previous one."""
    if repeats.warm is None:
        raise Unseen("`train` failed the first time")
    if not repeats.warm.good and repeats.cold is not None:
        blame(repeats.plain, repeats.cold, "what the last run left in /opt/ml")


@check("WARM-01", repeated)
def runs_warm(repeats: Repeats) -> None:
    """The same, with left-overs in a warm pool's cache and the variable that names the cache."""
    if repeats.warm is None:
        raise Unseen("`train` failed the first time")
    if repeats.cold is not None and not repeats.cold.good:
        raise Unseen("`train` also fails the second time without a warm pool")
    blame(repeats.plain, repeats.warm, f"left-overs in /opt/ml/{CACHE}", Sign.CACHED)
