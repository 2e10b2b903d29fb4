"""Clauses of script mode (TTK): an image runs users' scripts, here those of the suite."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildkit.contract.checks import Broken, Unseen, check
from buildkit.contract.comparison import document
from buildkit.contract.image.basics import still
from buildkit.contract.jobs import training_job
from buildkit.contract.jobs.configuration import reason
from buildkit.contract.logs import last_lines
from buildkit.contract.scripts import script_runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildkit.contract.image.basics import StillImage
    from buildkit.contract.jobs.training_job import Job
    from buildkit.contract.jobs.training_runs import Run

EXITED = re.compile(rf"(?<![\d.]){script_runs.EXIT_CODE}(?!\.?\d)")
"""The exit code as a number of its own, not as a part of a version or of another number."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the suite's script recorded."""

    argv: list[str]
    environ: Mapping[str, str]
    cwd: str


def _seen(run: Run) -> Seen | None:
    """The record of the script; None if the script did not run, or the file has changed."""
    try:
        left: Any = json.loads(run.file(script_runs.LEFT) or b"")
        return Seen(
            argv=[str(word) for word in left["argv"]],
            environ={str(name): str(value) for name, value in left["environ"].items()},
            cwd=str(left["cwd"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _need_seen(run: Run) -> Seen:
    seen = _seen(run)
    if seen is None:
        raise Unseen("the script did not run")
    return seen


def _demand(run: Run, asked: str) -> None:
    if _seen(run) is None or not run.good:
        raise Broken(f"{asked}, `train` {run.evidence}")


@check("TTK-02", script_runs.PROBED, gap="no script that the hyperparameter names was run")
def named_by_hyperparameter(run: Run) -> None:
    """The script that sagemaker_program names runs, and the run ends with 0."""
    _demand(run, f"with sagemaker_program = {script_runs.PROGRAM}")


@check("TTK-02", script_runs.BY_VARIABLE, gap="no script that the variable names was run")
def named_by_variable(run: Run) -> None:
    """The script that SAGEMAKER_PROGRAM names runs, not that of the hyperparameter."""
    _demand(run, f"with SAGEMAKER_PROGRAM={script_runs.PROGRAM} and another sagemaker_program")


@check("TTK-03", script_runs.PROBED, gap="no Python script was run")
def python_runs_in_its_folder(run: Run) -> None:
    """The working directory of a Python script is /opt/ml/code."""
    if (cwd := _need_seen(run).cwd) != f"{training_job.ROOT}/{script_runs.CODE}":
        raise Broken(f"the working directory of the script is {cwd}")


@check("TTK-03", script_runs.SHELL, gap="no shell script was run")
def shell_scripts_run(run: Run) -> None:
    """A .sh script without execute bit runs, and the run ends with 0."""
    if run.file(script_runs.WORDS) is None or not run.good:
        raise Broken(
            f"with sagemaker_program = {script_runs.SHELL_PROGRAM}, `train` {run.evidence}"
        )


@check("TTK-04", script_runs.STRAY, decides=True)
def stray_variable_is_harmless(run: Run) -> None:
    """The script in /opt/ml/code runs despite SAGEMAKER_SUBMIT_DIRECTORY."""
    _demand(run, "with SAGEMAKER_SUBMIT_DIRECTORY=/no/such/folder")


@check("TTK-04", script_runs.FROM_ARCHIVE, decides=True)
def archive_is_unpacked(run: Run) -> None:
    """The script in the archive that sagemaker_submit_directory names runs."""
    _demand(run, f"with sagemaker_submit_directory = {script_runs.ARCHIVE} and no /opt/ml/code")


@check("TTK-05", still)
def code_is_empty(image: StillImage) -> None:
    """/opt/ml/code holds no file in the image."""
    baked = [each.name for each in image.opt_ml if each.name.startswith("ml/code/")]
    if baked:
        raise Broken(f"the image holds {', '.join(f'/opt/{name}' for name in baked[:5])}")


@check("TTK-06", script_runs.PROBED, gap="no Python script was run")
def arguments_are_right(run: Run) -> None:
    """The arguments of the script, word for word."""
    if (argv := _need_seen(run).argv) != script_runs.ARGUMENTS:
        raise Broken(f"the script got {argv[:40]}, not {script_runs.ARGUMENTS}"[:1000])


@check("TTK-06", script_runs.SHELL, gap="no shell script was run")
def arguments_of_a_shell_script_are_right(run: Run) -> None:
    """The arguments of a shell script, word for word."""
    words = run.file(script_runs.WORDS)
    if words is None:
        raise Unseen("the shell script did not run")
    if words.decode("utf-8", "replace").splitlines() != script_runs.ARGUMENTS:
        raise Broken(
            f"{script_runs.SHELL_PROGRAM} got {words[:300]!r}, not {script_runs.ARGUMENTS}"
        )


@check("TTK-07", script_runs.QUOTED)
def no_shell_runs_values(run: Run) -> None:
    """Values that look like shell commands arrive unchanged, and no shell runs them."""
    if script_runs.PWNED in run.changes:
        raise Broken(f"a shell ran one of the hyperparameters {script_runs.HARMLESS}")
    seen = _need_seen(run)
    wanted = [word for name, value in script_runs.HARMLESS.items() for word in (f"--{name}", value)]
    if seen.argv != wanted:
        raise Broken(f"the script got {seen.argv[:20]}, not {wanted}"[:1000])


@check("TTK-08", script_runs.PROBED)
def variables_are_right(run: Run) -> None:
    """Each SM_* variable that the clause lists; JSON is compared by value."""
    seen = _need_seen(run)
    wrong = wrong_variables(seen.environ, script_runs.PROBE_JOB, script_runs.PROGRAM, seen.argv)
    if wrong:
        raise Broken("\n".join(wrong[:10]))


@check("TTK-09", script_runs.FAILING, decides=True)
def failure_is_reported(run: Run) -> None:
    """`train` does not end with 0 after the script has failed."""
    began = run.file(script_runs.BEGAN) is not None
    if began and (run.exit_code == 0 or run.exit_code is None):
        raise Broken(f"the script exited with 9, but `train` {run.evidence}")
    if not began:
        raise Unseen("the script did not run")


@check("TTK-09", script_runs.NO_OUTPUT, gap="no failure without /opt/ml/output was seen")
def failure_is_reported_without_output(run: Run) -> None:
    """`train` does not end with 0, although it cannot write a failure file."""
    if run.exit_code == 0:
        raise Broken(
            f"the script exited with 9, /opt/ml/output is a file, but `train` {run.evidence}"
        )
    if run.exit_code is None:
        raise Unseen(f"`train` {run.outcome}", run.last_words)


@check("TTK-10", script_runs.FAILING)
def failure_names_the_exit_code(run: Run) -> None:
    """After a script that exits with 9, the failure file names the 9, or `train` ends with it."""
    if run.file(script_runs.BEGAN) is None:
        raise Unseen("the script did not run")
    if not run.exit_code:
        raise Unseen("`train` does not end with an error (TTK-09)")
    if run.exit_code != script_runs.EXIT_CODE and not EXITED.search(reason(run)):
        raise Broken(
            f"the script exited with {script_runs.EXIT_CODE}, and neither the failure file nor the "
            f"exit code says so: `train` {run.evidence}"
        )


@check("TTK-13", script_runs.STOPPED)
def script_gets_the_stop(run: Run) -> None:
    """SIGTERM to the container reaches the script, which then writes a file."""
    if run.file(script_runs.BEGAN) is None:
        raise Unseen("the script did not run")
    if run.file(script_runs.GOT_STOP) is None:
        raise Broken(f"the script never got SIGTERM{last_lines(run.log)}")


# The SM_* variables that a script may rely on (TTK-08)

NUMBERS = ("SM_NUM_CPUS", "SM_NUM_GPUS", "SM_NUM_NEURONS", "SM_LOG_LEVEL")
LISTS = ("SM_INSTANCE_GROUPS", "SM_DISTRIBUTION_INSTANCE_GROUPS")
OBJECTS = ("SM_INSTANCE_GROUPS_DICT", "SM_FRAMEWORK_PARAMS", "SM_TRAINING_ENV")


@dataclass(frozen=True, kw_only=True)
class Json:
    """A value that is compared after decoding."""

    value: object


def wanted_variables(work: Job, program: str, arguments: Sequence[str]) -> Mapping[str, str | Json]:
    """The expected variables of a job on one host whose hyperparameters are JSON text."""
    user = {
        name: json.loads(str(text))
        for name, text in work.hyperparameters.items()
        if not name.startswith("sagemaker_")
    }
    configuration = work.configuration()
    return {
        "SM_MODEL_DIR": f"{training_job.ROOT}/model",
        "SM_INPUT_DIR": f"{training_job.ROOT}/input",
        "SM_INPUT_CONFIG_DIR": f"{training_job.ROOT}/input/config",
        "SM_OUTPUT_DIR": f"{training_job.ROOT}/output",
        "SM_OUTPUT_DATA_DIR": f"{training_job.ROOT}/output/data",
        "SM_OUTPUT_INTERMEDIATE_DIR": f"{training_job.ROOT}/output/intermediate",
        "SM_CHANNELS": Json(value=sorted(channel.name for channel in work.channels)),
        **{
            f"SM_CHANNEL_{channel.name.upper()}": f"{training_job.ROOT}/input/data/{channel.name}"
            for channel in work.channels
        },
        "SM_HPS": Json(value=user),
        **{f"SM_HP_{name.upper()}": _text(value) for name, value in user.items()},
        "SM_USER_ARGS": Json(value=list(arguments)),
        "SM_HOSTS": Json(value=sorted(work.hosts)),
        "SM_CURRENT_HOST": work.host,
        "SM_NETWORK_INTERFACE_NAME": work.interface,
        "SM_CURRENT_INSTANCE_TYPE": training_job.INSTANCE,
        "SM_CURRENT_INSTANCE_GROUP": training_job.GROUP,
        "SM_CURRENT_INSTANCE_GROUP_HOSTS": Json(value=sorted(work.hosts)),
        "SM_IS_HETERO": Json(value=False),
        "SM_RESOURCE_CONFIG": Json(value=configuration["resourceconfig"]),
        "SM_INPUT_DATA_CONFIG": Json(value=configuration["inputdataconfig"]),
        "SM_MODULE_NAME": program.removesuffix(".py"),
        "SM_MODULE_DIR": f"{training_job.ROOT}/code",
        "SM_USER_ENTRY_POINT": program,
    }


def _text(value: object) -> str | Json:
    if value is None:
        return ""
    return value if isinstance(value, str) else Json(value=value)


def wrong_variables(
    environ: Mapping[str, str], work: Job, program: str, arguments: Sequence[str]
) -> list[str]:
    """A sentence for each variable that is missing or wrong."""
    found = []
    for name, value in wanted_variables(work, program, arguments).items():
        text = environ.get(name)
        if text is None:
            found.append(f"{name} is not set")
        elif isinstance(value, Json):
            if not _is(text, value.value):
                found.append(f"{name} is {text[:200]!r}, not {json.dumps(value.value)[:200]}")
        elif text != value:
            found.append(f"{name} is {text[:200]!r}, not {value!r}")
    for kind, names in ((int, NUMBERS), (list, LISTS), (dict, OBJECTS)):
        for name in names:
            if name not in environ:
                found.append(f"{name} is not set")
            elif not isinstance((document(environ[name]) or (None,))[0], kind):
                found.append(f"{name} is {environ[name][:200]!r}")
    return found


def _is(text: str, value: object) -> bool:
    (decoded,) = document(text) or (None,)
    return type(decoded) is type(value) and decoded == value
