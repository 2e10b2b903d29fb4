"""The three files of `/opt/ml/input/config` -> Job. Missing and unknown keys are allowed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildkit_runtime import hyperparameters
from buildkit_runtime.failure import JobFailure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from buildkit_runtime.hyperparameters import Hyperparameters
    from buildkit_runtime.paths import Paths

DEFAULT_GROUP = "homogeneousCluster"


@dataclass(frozen=True)
class Cluster:
    """resourceconfig.json, with documented keys and others that SageMaker writes (CFG-05)."""

    current_host: str
    hosts: tuple[str, ...]
    network_interface: str
    instance_type: str
    group: str
    groups: Mapping[str, Mapping[str, Any]]
    raw: Mapping[str, Any]

    @property
    def group_hosts(self) -> tuple[str, ...]:
        return tuple(self.groups.get(self.group, {}).get("hosts") or self.hosts)


@dataclass(frozen=True)
class Job:
    """What SageMaker says about this training job."""

    hyperparameters: Hyperparameters
    channels: Mapping[str, Any]
    cluster: Cluster


def read_job(paths: Paths) -> Job:
    return Job(
        hyperparameters=hyperparameters.split(_read(paths.config / "hyperparameters.json")),
        channels=_read(paths.config / "inputdataconfig.json"),
        cluster=read_cluster(_read(paths.config / "resourceconfig.json")),
    )


def read_cluster(raw: Mapping[str, Any]) -> Cluster:
    """Fill in defaults for absent keys. Without a file, one host `algo-1`."""
    current_host = str(raw.get("current_host") or "algo-1")
    groups = [group for group in raw.get("instance_groups") or [] if isinstance(group, dict)]
    return Cluster(
        current_host=current_host,
        hosts=tuple(str(host) for host in raw.get("hosts") or [current_host]),
        network_interface=str(raw.get("network_interface_name") or "eth0"),
        instance_type=str(raw.get("current_instance_type") or "local"),
        group=str(raw.get("current_group_name") or DEFAULT_GROUP),
        groups={str(group.get("instance_group_name", DEFAULT_GROUP)): group for group in groups},
        raw=raw,
    )


def _read(path: Path) -> Mapping[str, Any]:
    """A JSON object, `{}` if the file is absent or empty (CFG-01, TREE-02)."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise JobFailure(f"cannot read {path}: {error}") from error
    try:
        value = json.loads(text or "{}")
    except ValueError as error:
        raise JobFailure(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise JobFailure(f"{path} contains {type(value).__name__}, expected a JSON object")
    return value
