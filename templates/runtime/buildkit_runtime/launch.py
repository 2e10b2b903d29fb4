"""The command that runs the script: Python, or torch's launcher on several hosts (DIST-07).

`distribution={"torch_distributed": {"enabled": True}}` of the SageMaker SDK arrives as a reserved
hyperparameter. The processes connect to the first host by name.
"""

from __future__ import annotations

import socket
import sys
import time
from typing import TYPE_CHECKING

from buildkit_runtime.failure import JobFailure
from buildkit_runtime.hyperparameters import is_true
from buildkit_runtime.script import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit_runtime.job import Cluster, Job
    from buildkit_runtime.script import Script
    from buildkit_runtime.variables import Hardware

_CALL = "import importlib, sys; sys.exit(getattr(importlib.import_module({module!r}), {name!r})())"
FRAMEWORK = "SAGEMAKER_TRAINING_MODULE"
TORCH_DISTRIBUTED = "sagemaker_torch_distributed_enabled"
# Other values of the SDK's `distribution`. A host that trains alone would look like success.
_OTHERS = (
    "sagemaker_distributed_dataparallel_enabled",
    "sagemaker_mpi_enabled",
    "sagemaker_multi_worker_mirrored_strategy_enabled",
    "sagemaker_parameter_server_enabled",
    "sagemaker_pytorch_ddp_enabled",
    "sagemaker_pytorch_xla_multi_worker_enabled",
)
PORT = 7777
# Other hosts may get their names late; AWS's toolkit waits as long (DIST-02).
_NAMES_SECONDS = 15 * 60
_LONGEST_PAUSE_SECONDS = 30.0


def command(
    script: Script,
    arguments: tuple[str, ...],
    job: Job,
    hardware: Hardware,
    inherited: Mapping[str, str],
) -> tuple[str, ...]:
    """Raises JobFailure if the job asks for a distribution that does not work here.

    SAGEMAKER_TRAINING_MODULE, `module:function`, is called instead of the script.
    """
    if framework := inherited.get(FRAMEWORK, ""):
        module, _, name = framework.partition(":")
        return (sys.executable, "-c", _CALL.format(module=module, name=name or "main"))
    reserved = job.hyperparameters.reserved
    for name in _OTHERS:
        if is_true(reserved.get(name)):
            raise JobFailure(
                f"this image does not support `{name}`; "
                f"`{TORCH_DISTRIBUTED}` starts torch's launcher"
            )
    if not is_true(reserved.get(TORCH_DISTRIBUTED)):
        return script.command(arguments)
    if script.kind is not Kind.PROGRAM:
        raise JobFailure(f"torch's launcher can only start *.py files, not `{script.name}`")
    processes = hardware.gpus or hardware.neuron_cores or 1
    return (
        sys.executable,
        "-m",
        "torch.distributed.run",
        f"--nnodes={len(job.cluster.hosts)}",
        f"--nproc_per_node={processes}",
        *_meeting(job.cluster),
        script.name,
        *arguments,
    )


def _meeting(cluster: Cluster) -> tuple[str, ...]:
    hosts = sorted(cluster.hosts)
    if len(hosts) == 1:
        return ()
    rank = hosts.index(cluster.current_host)
    return (f"--master_addr={hosts[0]}", f"--master_port={PORT}", f"--node_rank={rank}")


def interface(cluster: Cluster, inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables that set the job's network for gloo and NCCL, if it exists here (DIST-03)."""
    names = [name for _, name in socket.if_nameindex()]
    if len(cluster.hosts) == 1 or cluster.network_interface not in names:
        return {}
    variables = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
    return {name: inherited.get(name, cluster.network_interface) for name in variables}


def wait_for_hosts(cluster: Cluster, seconds: float = _NAMES_SECONDS) -> None:
    """Wait until every host of the job has an address. Raises JobFailure after 15 minutes."""
    deadline, pause = time.monotonic() + seconds, 0.1
    for host in cluster.hosts:
        while host != cluster.current_host and not _has_address(host):
            if time.monotonic() > deadline:
                raise JobFailure(f"host {host} of this job has no address after {seconds:.0f} s")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _has_address(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False
