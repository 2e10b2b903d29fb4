"""Runs of `train` with the suite's own scripts, for images that run users' scripts.

Each script records its input.
"""

from __future__ import annotations

import io
import json
import tarfile
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from buildkit.contract import machine
from buildkit.contract.jobs import endings, training_job, training_runs
from buildkit.contract.jobs.endings import Ending
from buildkit.contract.jobs.training_job import Channel, Job
from buildkit.contract.scenario import observation
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit.contract.engine import Container
    from buildkit.contract.jobs.endings import Then
    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.scenario import Bench, Scenario

PROGRAM = "buildkit_probe.py"
LEFT = "model/buildkit_probe.json"
SAW_ALL = b"""\
import json, os, sys
what = {"argv": sys.argv[1:], "environ": dict(os.environ), "cwd": os.getcwd()}
with open("/opt/ml/model/buildkit_probe.json", "w") as file:
    json.dump(what, file)
print("buildkit_probe: done")
"""
"""A Python script that writes its arguments, variables and working directory to `LEFT`."""

DECOY = b"""\
print("buildkit_decoy: this is not the script that was asked for")
raise SystemExit(17)
"""
EXIT_CODE = 83
"""A number that no other text of a failure contains by chance."""
FAILS = f"""\
import sys
open("/opt/ml/model/buildkit_began", "w").close()
print("buildkit_probe: failing on purpose")
sys.exit({EXIT_CODE})
""".encode()
BEGAN = "model/buildkit_began"
STOPS = b"""\
import signal, sys, time
def stop(number, frame):
    open("/opt/ml/model/buildkit_stopped", "w").close()
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
open("/opt/ml/model/buildkit_began", "w").close()
print("buildkit_probe: waiting for SIGTERM")
sys.stdout.flush()
for _ in range(6000):
    time.sleep(0.1)
"""
"""Writes `BEGAN` once it handles SIGTERM, and `GOT_STOP` on SIGTERM."""
GOT_STOP = "model/buildkit_stopped"

SHELL_PROGRAM = "buildkit_probe.sh"
WORDS = "model/buildkit_words"
SHELL_SAW_WORDS = b"""\
#!/bin/sh
printf '%s\\n' "$@" > /opt/ml/model/buildkit_words
echo "buildkit_probe: done"
"""
"""A shell script that writes its arguments to `WORDS`, one per line."""

CODE = "code"
HYPERPARAMETERS = {
    "a": "true",
    "bb": "null",
    "cc": '{"x":1,"y":[1,2]}',
    "learning-rate": "0.1",
    "s": '"quoted"',
}
ARGUMENTS = [
    "-a", "True", "--bb", "", "--cc", "x=1,y=[1, 2]", "--learning-rate", "0.1", "-s", "quoted",
]  # fmt: skip
"""Their form on the command line (TTK-06)."""
HARMLESS = {"text": "a b; touch /tmp/buildkit-pwned", "zz": "$(touch /tmp/buildkit-pwned)"}
PWNED = "/tmp/buildkit-pwned"  # noqa: S108 - a shell in the image would create it
CODE_CHANNEL = "input/data/code/sourcedir.tar.gz"
ARCHIVE = f"{training_job.ROOT}/{CODE_CHANNEL}"
LOOK_SECONDS = 0.1
STOP_SECONDS = 60
"""Time for SIGTERM to reach a script that then ends at once."""


def source_archive(name: str, content: bytes) -> bytes:
    """A sourcedir.tar.gz as an SDK makes it, with one script."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), 0o644
        tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _job(
    script: bytes, hyperparameters: Mapping[str, str] | None = None, *, program: str = PROGRAM
) -> Job:
    """A job with a script in /opt/ml/code; SDKs write its name as JSON text."""
    return Job(
        hyperparameters={**(hyperparameters or {}), "sagemaker_program": json.dumps(program)},
        channels=(Channel(name="my-Data.v1", path=None), Channel(name="training", path=None)),
        files=((f"{CODE}/{program}", script),),
    )


PROBE_JOB = _job(SAW_ALL, HYPERPARAMETERS)


def _of(
    title: str, work: Job, *, then: Then = endings.to_its_end, changes: bool = False
) -> Scenario[Run]:
    @observation(title, Purpose.TRAINING)
    def run(bench: Bench) -> Run:
        return training_runs.train(bench, work, then=then, changes=changes)

    return run


def _until_stopped(bench: Bench, container: Container) -> Ending:
    """Send SIGTERM once the script handles it, if ever, and wait for the end."""
    limit = machine.of(bench).limit(container, endings.STOP_SECONDS)
    while container.look(f"{training_job.ROOT}/{BEGAN}") is None:
        if container.wait(0) is not None or limit.expired():
            return Ending(exit_code=container.wait(0))
        time.sleep(LOOK_SECONDS)
    container.send("SIGTERM")
    return Ending(exit_code=machine.of(bench).wait(container, STOP_SECONDS))


_DECOY = _job(DECOY, program="buildkit_decoy.py")
_FROM_ARCHIVE = replace(
    PROBE_JOB,
    hyperparameters={
        **PROBE_JOB.hyperparameters,
        "sagemaker_submit_directory": json.dumps(ARCHIVE),
    },
    channels=(Channel(name=CODE, path=None),),
    files=((CODE_CHANNEL, source_archive(PROGRAM, SAW_ALL)),),
)
_FAILING = _job(FAILS)

PROBED = _of("`train` with a script of the suite in /opt/ml/code", PROBE_JOB)
BY_VARIABLE = _of(
    "`train` with two scripts, one named by the hyperparameter, one by SAGEMAKER_PROGRAM",
    replace(_DECOY, files=(*PROBE_JOB.files, *_DECOY.files)).with_variables(
        {"SAGEMAKER_PROGRAM": PROGRAM}
    ),
)
SHELL = _of(
    "`train` with a shell script",
    _job(SHELL_SAW_WORDS, HYPERPARAMETERS, program=SHELL_PROGRAM),
)
STRAY = _of(
    "`train` with a script and SAGEMAKER_SUBMIT_DIRECTORY=/no/such/folder",
    PROBE_JOB.with_variables({"SAGEMAKER_SUBMIT_DIRECTORY": "/no/such/folder"}),
)
FROM_ARCHIVE = _of("`train` with a script in an archive in a channel", _FROM_ARCHIVE)
QUOTED = _of(
    "`train` with a script and a hyperparameter that a shell would run",
    _job(SAW_ALL, HARMLESS),
    changes=True,
)
FAILING = _of("`train` with a script that exits with 9", _FAILING)
NO_OUTPUT = _of(
    "`train` with a script that exits with 9, and a file in place of /opt/ml/output",
    replace(
        _FAILING,
        folders=("input/config", "input/data", "model"),
        files=(*_FAILING.files, ("output", b"")),
    ),
)
STOPPED = _of("`train` with a script that waits for SIGTERM", _job(STOPS), then=_until_stopped)
