"""The `SM_*` variables that a script reads (TTK-08)."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildkit_runtime.hyperparameters import KNOWN_RESERVED, as_text, compact_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit_runtime.job import Job
    from buildkit_runtime.paths import Paths
    from buildkit_runtime.script import Script

_DEFAULT_LOG_LEVEL = 20
# Linux does not start a program if one `NAME=value`, with its final zero byte, is longer.
_LONGEST_VARIABLE = 128 * 1024 - 1


@dataclass(frozen=True)
class Hardware:
    cpus: int
    gpus: int
    neuron_cores: int


def script_variables(
    paths: Paths,
    job: Job,
    script: Script,
    arguments: tuple[str, ...],
    *,
    hardware: Hardware,
    inherited: Mapping[str, str],
) -> dict[str, str]:
    """All variables of the script: the inherited ones, replaced by ours."""
    facts = _facts(paths, job, script, hardware, inherited)
    names = {f"SM_{name.upper()}": as_text(value) for name, value in facts.items()}
    names.update(_renamed(job, facts, arguments))
    for name in job.channels:
        names[f"SM_CHANNEL_{name.upper()}"] = str(paths.channel(name))
    for name, value in job.hyperparameters.user.items():
        names[f"SM_HP_{name.upper()}"] = as_text(value)
    names.update(_platform(job, inherited))
    python_path = [str(script.folder), inherited.get("PYTHONPATH", "")]
    names["PYTHONPATH"] = ":".join(entry for entry in python_path if entry)
    # SageMaker reads metrics from the running log (LOG-02).
    names["PYTHONUNBUFFERED"] = "1"
    return {**inherited, **_short_enough(names)}


def _facts(
    paths: Paths, job: Job, script: Script, hardware: Hardware, inherited: Mapping[str, str]
) -> dict[str, Any]:
    """Values that have their own variable and a key in SM_TRAINING_ENV."""
    cluster = job.cluster
    reserved = job.hyperparameters.reserved
    groups = list(cluster.groups) or [cluster.group]
    return {
        "model_dir": str(paths.model),
        "input_dir": str(paths.input),
        "input_config_dir": str(paths.config),
        "output_dir": str(paths.output),
        "output_data_dir": str(paths.output / "data"),
        "output_intermediate_dir": str(paths.output / "intermediate"),
        "hosts": list(cluster.hosts),
        "current_host": cluster.current_host,
        "network_interface_name": cluster.network_interface,
        "num_cpus": hardware.cpus,
        "num_gpus": hardware.gpus,
        "num_neurons": hardware.neuron_cores,
        "current_instance_type": cluster.instance_type,
        "current_instance_group": cluster.group,
        "current_instance_group_hosts": list(cluster.group_hosts),
        "instance_groups": groups,
        "instance_groups_dict": dict(cluster.groups),
        "distribution_instance_groups": reserved.get(
            "sagemaker_distribution_instance_groups", groups
        ),
        "is_hetero": len(groups) > 1,
        "resource_config": dict(cluster.raw),
        "input_data_config": dict(job.channels),
        "module_name": script.module,
        "module_dir": as_text(reserved.get("sagemaker_submit_directory")) or str(script.folder),
        "user_entry_point": script.name,
        "framework_module": inherited.get("SAGEMAKER_TRAINING_MODULE", ""),
        "log_level": _log_level(reserved.get("sagemaker_container_log_level")),
    }


def _renamed(job: Job, facts: Mapping[str, Any], arguments: tuple[str, ...]) -> dict[str, str]:
    """Variables whose key in SM_TRAINING_ENV has another name, or that have no key."""
    user = dict(job.hyperparameters.user)
    framework = {
        name: value
        for name, value in job.hyperparameters.reserved.items()
        if name not in KNOWN_RESERVED
    }
    directories = {name: f"{facts['input_dir']}/data/{name}" for name in sorted(job.channels)}
    whole = {
        **facts,
        "additional_framework_parameters": framework,
        "channel_input_dirs": directories,
        "hyperparameters": user,
        "is_master": facts["current_host"] == min(facts["hosts"]),
        "job_name": job.hyperparameters.reserved_text("sagemaker_job_name"),
        "master_hostname": min(facts["hosts"]),
    }
    topology = job.cluster.raw.get("topology")
    return {
        "SM_CHANNELS": compact_json(sorted(job.channels)),
        "SM_HPS": compact_json(user),
        "SM_USER_ARGS": compact_json(list(arguments)),
        "SM_FRAMEWORK_PARAMS": compact_json(framework),
        "SM_TRAINING_ENV": compact_json(whole),
        **({"SM_TOPOLOGY": compact_json(topology)} if topology else {}),
    }


def _platform(job: Job, inherited: Mapping[str, str]) -> dict[str, str]:
    """Variables without the prefix; those without a value are not set (ENV-03)."""
    reserved = job.hyperparameters
    values = {
        "CURRENT_HOST": job.cluster.current_host,
        "SAGEMAKER_JOB_NAME": reserved.reserved_text("sagemaker_job_name")
        or inherited.get("TRAINING_JOB_NAME", ""),
        "SAGEMAKER_REGION": reserved.reserved_text("sagemaker_region")
        or inherited.get("AWS_REGION", ""),
    }
    return {name: value for name, value in values.items() if value}


def _log_level(value: Any) -> int:
    """The level as a number; the default for anything else, which must not fail a job."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return _DEFAULT_LOG_LEVEL


def _short_enough(variables: Mapping[str, str]) -> dict[str, str]:
    """Leave out, with a message, variables that would keep the script from starting.

    100 hyperparameters of 2500 characters are allowed (CFG-01), and SM_HPS has all of them.
    """
    kept = {}
    for name, value in variables.items():
        if len(f"{name}={value}".encode("utf-8", "surrogateescape")) >= _LONGEST_VARIABLE:
            print(
                f"{name} is too long for an environment variable: not set",
                file=sys.stderr,
                flush=True,
            )
        else:
            kept[name] = value
    return kept
