"""The clause of functions that the SDK's @remote and @step run as training jobs (REMOTE-01)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Noted, check
from buildkit.contract.engine import Start
from buildkit.contract.jobs import endings, training_job, training_runs
from buildkit.contract.jobs.training_job import Channel
from buildkit.contract.scenario import observation
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.scenario import Bench

CHANNEL = "sagemaker_remote_function_bootstrap"
DRIVER = f"input/data/{CHANNEL}/job_driver.sh"
START = Start(entrypoint=("/bin/bash", f"{training_job.ROOT}/{DRIVER}"))
LEFT = "model/buildkit_remote"
SCRIPT = b"""\
#!/bin/bash
missing() { echo "buildkit_remote: the image lacks $1"; exit 3; }
command -v python > /dev/null || missing "a program with the name python"
minor='import sys; print("%d.%d" % sys.version_info[:2])'
version=$(python -c "$minor") || missing "a python that runs"
version=${version##*$'\\n'}
for folder in /opt/ml /opt/ml/cache /opt/ml/output; do
  mkdir -p "$folder" && : > "$folder/buildkit_remote" || missing "a writable $folder"
done
pip=without
python -m pip --version > /dev/null 2>&1 && pip=with
mkdir -p /opt/ml/model
echo "$version $pip" > /opt/ml/model/buildkit_remote
"""
"""Does what the SDK's driver needs, then writes the version of Python to the file `LEFT`.

A `python` that is a script may print other lines before the version.
"""
WRITTEN = re.compile(r"([0-9]+\.[0-9]+) (with|without)\n")
SHOWN = 100
"""Characters of another text that evidence shows."""


@observation("/bin/bash on a driver of @remote", Purpose.TRAINING)
def driven(bench: Bench) -> Run:
    work = training_job.of(bench.subject.samples)
    channels = (*work.channels, Channel(name=CHANNEL, path=None))
    work = replace(work, channels=channels, files=((DRIVER, SCRIPT),))
    return training_runs.train(bench, work, start=START, then=endings.to_its_end)


@check("REMOTE-01", driven)
def function_finds_its_programs(run: Run) -> None:
    """A driver that calls bash and python and writes below /opt/ml ends with 0.

    The pass names the minor version of Python that a client has to have, too.
    """
    left = run.file(LEFT)
    if not run.good or left is None:
        raise Broken(f"the driver of @remote {run.evidence}")
    text = left.decode("utf-8", "replace")
    written = WRITTEN.fullmatch(text)
    if written is None:
        raise Broken(f"`python` does not print its version last: the driver wrote {text[:SHOWN]!r}")
    version, pip = written.groups()
    installs = "" if pip == "with" else ", and pass no `dependencies`: the image has no pip"
    raise Noted(f"call @remote and @step from Python {version}, as in the image{installs}")
