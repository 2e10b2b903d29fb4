"""How a script is started on one host and on several."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from buildkit_runtime import hyperparameters, launch
from buildkit_runtime.failure import JobFailure
from buildkit_runtime.job import Job, read_cluster
from buildkit_runtime.script import Script
from buildkit_runtime.variables import Hardware

CPUS = Hardware(cpus=4, gpus=0, neuron_cores=0)
TORCH = {"sagemaker_torch_distributed_enabled": "true"}


def job(hosts: list[str], current: str, **raw: str) -> Job:
    cluster = {"hosts": hosts, "current_host": current, "network_interface_name": "lo"}
    return Job(hyperparameters.split(raw), {}, read_cluster(cluster))


def command(
    asked: Job, hardware: Hardware = CPUS, name: str = "train.py", **variables: str
) -> tuple[str, ...]:
    script = Script(name=name, folder=Path("/x"))
    return launch.command(script, ("--lr", "1"), asked, hardware, variables)


@pytest.mark.parametrize("raw", [{}, {"sagemaker_torch_distributed_enabled": "false"}])
def test_without_a_distribution_python_runs_the_script(raw: dict[str, str]) -> None:
    assert command(job(["a"], "a", **raw)) == (sys.executable, "train.py", "--lr", "1")


def test_a_framework_is_called_in_the_place_of_the_script() -> None:
    python, option, code = command(job(["a"], "a"), SAGEMAKER_TRAINING_MODULE="json:dumps")
    assert (python, option) == (sys.executable, "-c")
    assert "import_module('json'), 'dumps')" in code


def test_several_hosts_meet_on_the_first() -> None:
    found = command(job(["algo-2", "algo-1"], "algo-2", **TORCH))
    assert found == (
        sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc_per_node=1",
        "--master_addr=algo-1", "--master_port=7777", "--node_rank=1", "train.py", "--lr", "1",
    )  # fmt: skip


def test_a_process_for_each_gpu() -> None:
    found = command(job(["a"], "a", **TORCH), Hardware(cpus=4, gpus=8, neuron_cores=0))
    assert "--nproc_per_node=8" in found
    assert not any(word.startswith("--master") for word in found)


@pytest.mark.parametrize("text", ["True", '"true"', "true"])
def test_a_switch_is_on_however_it_is_written(text: str) -> None:
    assert "torch.distributed.run" in command(
        job(["a"], "a", sagemaker_torch_distributed_enabled=text)
    )


@pytest.mark.parametrize("name", ["mpi", "parameter_server", "pytorch_ddp"])
def test_a_distribution_that_is_not_there_is_refused(name: str) -> None:
    asked = f"sagemaker_{name}_enabled"
    with pytest.raises(JobFailure, match=asked):
        command(job(["a", "b"], "a", **{asked: "true"}))
    assert "train.py" in command(job(["a", "b"], "a", **{asked: "false"}))


def test_the_launcher_starts_python_only() -> None:
    with pytest.raises(JobFailure, match="train.sh"):
        command(job(["a"], "a", **TORCH), name="train.sh")


def test_the_network_is_told_where_there_are_several_hosts_and_it_exists() -> None:
    several: Any = job(["a", "b"], "a").cluster
    names = {"GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"}
    assert launch.interface(several, {}) == dict.fromkeys(names, "lo")
    assert launch.interface(several, {"GLOO_SOCKET_IFNAME": "x"})["GLOO_SOCKET_IFNAME"] == "x"
    assert launch.interface(job(["a"], "a").cluster, {}) == {}


def test_a_host_that_comes_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([False, False, True])
    monkeypatch.setattr(launch, "_has_address", lambda _host: next(answers))
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    launch.wait_for_hosts(job(["a", "b"], "a").cluster)
    assert not list(answers)


def test_a_host_without_an_address_ends_the_job_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_has_address", lambda _host: False)
    with pytest.raises(JobFailure, match="host b of this job has no address"):
        launch.wait_for_hosts(job(["a", "b"], "a").cluster, seconds=0)
