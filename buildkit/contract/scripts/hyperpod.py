"""The clause of HyperPod's training operator, which needs a launcher of its own (HYPER-01)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, check
from buildkit.contract.engine import Start
from buildkit.contract.jobs import endings, training_job, training_runs
from buildkit.contract.scenario import observation
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.scenario import Bench

LAUNCHER = "hyperpodrun"
START = Start(entrypoint=(LAUNCHER,), command=("--help",))


@observation(f"`{LAUNCHER} --help`", Purpose.TRAINING)
def launched(bench: Bench) -> Run:
    work = training_job.of(bench.subject.samples)
    return training_runs.train(bench, work, start=START, then=endings.to_its_end)


@check("HYPER-01", launched)
def launcher_starts(run: Run) -> None:
    """The launcher of the package hyperpod-elastic-agent is on the PATH, and its help ends with 0.

    It loads PyTorch before it prints its help.
    """
    if not run.good:
        raise Broken(f"`{LAUNCHER} --help` {run.evidence}")
