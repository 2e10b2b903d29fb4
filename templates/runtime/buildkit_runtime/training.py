"""`train`: run the user's script in SageMaker's script mode, and exit as it does.

Exit code: the script's own if that is 1..125; 143 (130) if it was stopped with SIGTERM (SIGINT) and
did not choose another; 1 for all other failures. Never 0 after a failure (TTK-09).
"""

from __future__ import annotations

import os
import shlex
import signal
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

from buildkit_runtime import failure, hardware, launch, packages, process, script, source
from buildkit_runtime.failure import JobFailure
from buildkit_runtime.hyperparameters import to_arguments
from buildkit_runtime.job import read_job
from buildkit_runtime.paths import Paths
from buildkit_runtime.script import Kind, Script
from buildkit_runtime.variables import Hardware, script_variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit_runtime.process import Outcome, Stopper

# The shell uses 126 and above for its own errors and for signals.
_LARGEST_OWN_CODE = 125


def main() -> int:
    paths = Paths.from_variables(os.environ)
    failure_file = paths.output / "failure"
    failure.clear(failure_file)
    try:
        with process.stop_signals() as stopper:
            train(paths, dict(os.environ), stopper)
    except JobFailure as error:
        print(f"training failed: {error.reason.splitlines()[0]}", flush=True)
        failure.write(failure_file, error.reason)
        return error.code
    except Exception as error:  # noqa: BLE001
        # A bug of ours or a broken machine: the job must still fail, with a reason.
        traceback.print_exc()
        failure.write(failure_file, f"{type(error).__name__}: {error}")
        return 1
    failure.clear(failure_file)
    return 0


def train(paths: Paths, inherited: Mapping[str, str], stopper: Stopper) -> None:
    """Run the script of this job. Raises JobFailure if it fails."""
    job = read_job(paths)
    found = script.find(inherited, job.hyperparameters, paths.code)
    if found.folder == paths.code:
        location = job.hyperparameters.reserved_text("sagemaker_submit_directory")
        source.fetch(location, paths.code, inherited)
    script.require(found)
    for folder in (paths.model, paths.output / "data"):
        # Scripts expect these folders; if one cannot be created, the script reports it.
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
    arguments = to_arguments(job.hyperparameters.user)
    machine = Hardware(
        cpus=hardware.count_cpus(),
        gpus=hardware.count_gpus(),
        neuron_cores=hardware.count_neuron_cores(),
    )
    variables = script_variables(
        paths, job, found, arguments, hardware=machine, inherited=inherited
    )
    prepare(found, variables, stopper)
    command = launch.command(found, arguments, job, machine, inherited)
    variables.update(launch.interface(job.cluster, inherited))
    launch.wait_for_hosts(job.cluster)
    print(f"running: {shlex.join(command)}", flush=True)
    judge(found, process.run(command, found.folder, variables, stopper))


def prepare(found: Script, variables: Mapping[str, str], stopper: Stopper) -> None:
    """Install the requirements of the script, or make it executable (TTK-03)."""
    if found.kind is Kind.COMMAND:
        # On a read-only mount, it may be executable already; if not, the shell reports it.
        with suppress(OSError):
            found.path.chmod(found.path.stat().st_mode | 0o111)
        return
    packages.install_requirements(found.folder, variables, stopper)
    if found.kind is Kind.PACKAGE:
        packages.install_package(found.folder, variables, stopper)


def judge(found: Script, outcome: Outcome) -> None:
    """Raises JobFailure, with exit code and text, unless the script succeeded."""
    if outcome.code == 0:
        return
    summary = f"`{found.name}` {describe(outcome.code)}"
    if outcome.stopped_by is not None:
        summary += f", stopped with {signal.Signals(outcome.stopped_by).name}"
    raise JobFailure(failure.compose(summary, outcome.stderr), exit_code(outcome))


def exit_code(outcome: Outcome) -> int:
    if outcome.stopped_by is not None:
        return outcome.code if outcome.code > 0 else 128 + outcome.stopped_by
    return outcome.code if 0 <= outcome.code <= _LARGEST_OWN_CODE else 1


def describe(code: int) -> str:
    if code >= 0:
        return f"exited with code {code}"
    reason = ", which usually means out of memory" if code == -signal.SIGKILL else ""
    return f"was killed by {signal.Signals(-code).name}{reason}"
