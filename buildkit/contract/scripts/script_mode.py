"""Clauses of script mode (TTK): an image runs users' scripts, here those of the suite."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildkit.contract.checks import Broken, Unseen, check
from buildkit.contract.image.basics import still
from buildkit.contract.jobs import training_job
from buildkit.contract.logs import last_lines
from buildkit.contract.scripts import script_runs, user_scripts, variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit.contract.image.basics import StillImage
    from buildkit.contract.jobs.training_runs import Run


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the suite's script recorded."""

    argv: list[str]
    environ: Mapping[str, str]
    cwd: str


def _seen(run: Run) -> Seen | None:
    """The record of the script; None if the script did not run, or the file has changed."""
    try:
        left: Any = json.loads(run.file(user_scripts.LEFT) or b"")
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
    _demand(run, f"with sagemaker_program = {user_scripts.PROGRAM}")


@check("TTK-02", script_runs.BY_VARIABLE, gap="no script that the variable names was run")
def named_by_variable(run: Run) -> None:
    """The script that SAGEMAKER_PROGRAM names runs, not that of the hyperparameter."""
    _demand(run, f"with SAGEMAKER_PROGRAM={user_scripts.PROGRAM} and another sagemaker_program")


@check("TTK-03", script_runs.PROBED, gap="no Python script was run")
def python_runs_in_its_folder(run: Run) -> None:
    """The working directory of a Python script is /opt/ml/code."""
    if (cwd := _need_seen(run).cwd) != f"{training_job.ROOT}/{script_runs.CODE}":
        raise Broken(f"the working directory of the script is {cwd}")


@check("TTK-03", script_runs.SHELL, gap="no shell script was run")
def shell_scripts_run(run: Run) -> None:
    """A .sh script without execute bit runs, and the run ends with 0."""
    if run.file(user_scripts.WORDS) is None or not run.good:
        raise Broken(f"with sagemaker_program = {user_scripts.SHELL}, `train` {run.evidence}")


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
    words = run.file(user_scripts.WORDS)
    if words is None:
        raise Unseen("the shell script did not run")
    if words.decode("utf-8", "replace").splitlines() != script_runs.ARGUMENTS:
        raise Broken(f"{user_scripts.SHELL} got {words[:300]!r}, not {script_runs.ARGUMENTS}")


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
    wrong = variables.wrong(seen.environ, script_runs.PROBE_JOB, user_scripts.PROGRAM, seen.argv)
    if wrong:
        raise Broken("\n".join(wrong[:10]))


@check("TTK-09", script_runs.FAILING, decides=True)
def failure_is_reported(run: Run) -> None:
    """`train` does not end with 0 after the script has failed."""
    began = run.file(user_scripts.BEGAN) is not None
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


@check("TTK-13", script_runs.STOPPED)
def script_gets_the_stop(run: Run) -> None:
    """SIGTERM to the container reaches the script, which then writes a file."""
    if run.file(user_scripts.BEGAN) is None:
        raise Unseen("the script did not run")
    if run.file(user_scripts.STOPPED) is None:
        raise Broken(f"the script never got SIGTERM{last_lines(run.log)}")
