"""Runs of `train` with scripts of the suite, for images that run users' scripts."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from buildkit.contract import machine
from buildkit.contract.jobs import endings, training_job, training_runs
from buildkit.contract.jobs.endings import Ending
from buildkit.contract.jobs.training_job import Channel, Job
from buildkit.contract.scenario import observation
from buildkit.contract.scripts import user_scripts
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit.contract.engine import Container
    from buildkit.contract.jobs.endings import Then
    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.scenario import Bench, Scenario

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


def _job(
    hyperparameters: Mapping[str, str], *files: tuple[str, bytes], program: str | None = None
) -> Job:
    """A job with scripts in /opt/ml/code; SDKs write a name as JSON text."""
    named = {} if program is None else {"sagemaker_program": json.dumps(program)}
    return Job(
        hyperparameters={**hyperparameters, **named},
        channels=(Channel(name="my-Data.v1", path=None), Channel(name="training", path=None)),
        files=tuple((f"{CODE}/{name}", content) for name, content in files),
    )


PROBE_JOB = _job(
    HYPERPARAMETERS,
    (user_scripts.PROGRAM, user_scripts.SAW_ALL),
    program=user_scripts.PROGRAM,
)


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
    while container.look(f"{training_job.ROOT}/{user_scripts.BEGAN}") is None:
        if container.wait(0) is not None or limit.expired():
            return Ending(exit_code=container.wait(0))
        time.sleep(LOOK_SECONDS)
    container.send("SIGTERM")
    return Ending(exit_code=machine.of(bench).wait(container, STOP_SECONDS))


_DECOYED = _job(
    {},
    (user_scripts.PROGRAM, user_scripts.SAW_ALL),
    ("buildkit_decoy.py", user_scripts.DECOY),
    program="buildkit_decoy.py",
)
_FROM_ARCHIVE = replace(
    PROBE_JOB,
    hyperparameters={
        **PROBE_JOB.hyperparameters,
        "sagemaker_submit_directory": json.dumps(ARCHIVE),
    },
    channels=(Channel(name=CODE, path=None),),
    files=(
        (CODE_CHANNEL, user_scripts.source_archive(user_scripts.PROGRAM, user_scripts.SAW_ALL)),
    ),
)
_FAILING = _job({}, (user_scripts.PROGRAM, user_scripts.FAILS), program=user_scripts.PROGRAM)

PROBED = _of("`train` with a script of the suite in /opt/ml/code", PROBE_JOB)
BY_VARIABLE = _of(
    "`train` with two scripts, one named by the hyperparameter, one by SAGEMAKER_PROGRAM",
    _DECOYED.with_variables({"SAGEMAKER_PROGRAM": user_scripts.PROGRAM}),
)
SHELL = _of(
    "`train` with a shell script",
    _job(
        HYPERPARAMETERS,
        (user_scripts.SHELL, user_scripts.SHELL_SAW_WORDS),
        program=user_scripts.SHELL,
    ),
)
STRAY = _of(
    "`train` with a script and SAGEMAKER_SUBMIT_DIRECTORY=/no/such/folder",
    PROBE_JOB.with_variables({"SAGEMAKER_SUBMIT_DIRECTORY": "/no/such/folder"}),
)
FROM_ARCHIVE = _of("`train` with a script in an archive in a channel", _FROM_ARCHIVE)
QUOTED = _of(
    "`train` with a script and a hyperparameter that a shell would run",
    _job(
        HARMLESS,
        (user_scripts.PROGRAM, user_scripts.SAW_ALL),
        program=user_scripts.PROGRAM,
    ),
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
STOPPED = _of(
    "`train` with a script that waits for SIGTERM",
    _job({}, (user_scripts.PROGRAM, user_scripts.STOPS), program=user_scripts.PROGRAM),
    then=_until_stopped,
)
