"""The clause of version 3 of the SDK, which starts /bin/bash on its own driver."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, check
from buildkit.contract.engine import Start
from buildkit.contract.jobs import endings, training_job, training_runs
from buildkit.contract.jobs.training_job import Channel
from buildkit.contract.scenario import observation
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.scenario import Bench

DRIVER = "input/data/sm_drivers/sm_train.sh"
START = Start(
    entrypoint=("/bin/bash",),
    command=("-c", f"chmod +x {training_job.ROOT}/{DRIVER} && {training_job.ROOT}/{DRIVER}"),
)
LEFT = "model/buildkit_driver"
SCRIPT = b"""\
#!/bin/bash
missing() { echo "buildkit_driver: the image lacks $1"; exit 3; }
command -v chmod > /dev/null || missing chmod
command -v cat > /dev/null || missing cat
python=$(command -v python3 || command -v python) || missing "python3 and python"
pip=$(command -v pip3 || command -v pip) || missing "pip3 and pip"
"$pip" --version > /dev/null || missing "a $pip that runs"
env=/opt/ml/input/sm_training.env
"$python" -c 'print("export SM_BUILDKIT=\\"yes\\"")' > "$env" || missing "a writable $env"
cat "$env"
source "$env"
[[ $SM_BUILDKIT == yes ]] || missing "a $python that prints"
echo done > /opt/ml/model/buildkit_driver
echo "buildkit_driver: done"
"""
"""Calls the programs of the SDK's driver, then writes the file `LEFT`."""


@observation("/bin/bash on a driver in the channel sm_drivers", Purpose.TRAINING)
def driven(bench: Bench) -> Run:
    work = training_job.of(bench.subject.samples)
    channels = tuple(Channel(name=name, path=None) for name in ("code", "sm_drivers"))
    work = replace(work, channels=(*work.channels, *channels), files=((DRIVER, SCRIPT),))
    return training_runs.train(bench, work, start=START, then=endings.to_its_end)


@check("SDK-02", driven)
def driver_finds_its_programs(run: Run) -> None:
    """A driver that calls bash, chmod, cat, python3 or python, and pip3 or pip ends with 0."""
    if not run.good or run.file(LEFT) is None:
        raise Broken(f"the driver {run.evidence}")
