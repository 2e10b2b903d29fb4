"""The `/opt/ml` tree that SageMaker lays out for a training job (contract TREE, CFG, DATA)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract.archive import Archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from buildkit.model.target import Samples

ROOT = "/opt/ml"
NAME = "buildkit-test"


def variables(name: str) -> dict[str, str]:
    """The variables of the training job with a name."""
    return {
        "TRAINING_JOB_NAME": name,
        "TRAINING_JOB_ARN": f"arn:aws:sagemaker:us-east-1:111122223333:training-job/{name}",
        "AWS_REGION": "us-east-1",
    }


ENVIRONMENT = variables(NAME)
FOLDERS = ("input/config", "input/data", "model", "output/data")
CACHE = "sagemaker/warmpoolcache"
WARM_POOL = {"SAGEMAKER_MANAGED_WARMPOOL_CACHE_DIRECTORY": f"{ROOT}/{CACHE}"}
"""The cache folder of a warm pool, and the variable that names it (WARM-02)."""
GROUP = "homogeneousCluster"
INSTANCE = "ml.m5.xlarge"


@dataclass(frozen=True, kw_only=True)
class Channel:
    """`path` is a file or folder of the samples; `facts` is its entry in inputdataconfig.json.

    `absent`: the channel is listed but has no folder.
    """

    name: str
    path: Path | None
    facts: Mapping[str, object] = field(
        default_factory=lambda: {
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
        }
    )
    absent: bool = False


@dataclass(frozen=True, kw_only=True)
class Job:
    """One host's part of a training job. Paths in it are below `/opt/ml`.

    `files` are added. `configuration_mode` are the permission bits of `input/config`. Values of
    `hyperparameters` are strings, as SageMaker sends them; a diagnosis sends other types.
    """

    hyperparameters: Mapping[str, object]
    channels: tuple[Channel, ...]
    code: Path | None = None
    hosts: tuple[str, ...] = ("algo-1",)
    host: str = "algo-1"
    interface: str = "eth0"
    environment: Mapping[str, str] = field(default_factory=lambda: dict(ENVIRONMENT))
    folders: tuple[str, ...] = FOLDERS
    files: tuple[tuple[str, bytes], ...] = ()
    fifos: tuple[str, ...] = ()
    configuration_mode: int = 0o755

    def with_variables(self, more: Mapping[str, str]) -> Job:
        return replace(self, environment={**self.environment, **more})

    def with_facts(self, of: Callable[[Channel], Mapping[str, object]]) -> Job:
        """The job with more facts about each channel."""
        changed = (replace(each, facts={**each.facts, **of(each)}) for each in self.channels)
        return replace(self, channels=tuple(changed))

    def archive(self) -> Iterator[bytes]:
        """Everything below `/opt/ml` when `train` starts."""
        archive = Archive()
        for folder in self.folders:
            mode = self.configuration_mode if folder == "input/config" else 0o755
            archive.folder(folder, mode)
        for name, content in self.configuration().items():
            archive.file(f"input/config/{name}.json", json.dumps(content).encode())
        for channel in self.channels:
            if channel.path is not None:
                archive.tree(f"input/data/{channel.name}", channel.path)
            elif not channel.absent:
                archive.folder(f"input/data/{channel.name}")
        if self.code is not None:
            archive.tree("code", self.code)
        for name, content in self.files:
            archive.file(name, content)
        for name in self.fifos:
            archive.fifo(name)
        return archive.chunks()

    def configuration(self) -> Mapping[str, object]:
        return {
            "hyperparameters": dict(self.hyperparameters),
            "inputdataconfig": {each.name: dict(each.facts) for each in self.channels},
            "resourceconfig": {
                "current_group_name": GROUP,
                "current_host": self.host,
                "current_instance_type": INSTANCE,
                "hosts": sorted(self.hosts),
                "instance_groups": [
                    {
                        "hosts": sorted(self.hosts),
                        "instance_group_name": GROUP,
                        "instance_type": INSTANCE,
                    }
                ],
                "network_interface_name": self.interface,
                "topology": None,
            },
        }


def of(samples: Samples, name: str = NAME) -> Job:
    """The job of one host on samples."""
    return Job(
        hyperparameters=dict(samples.hyperparameters),
        channels=tuple(Channel(name=name, path=Path(path)) for name, path in samples.channels),
        code=None if samples.code is None else Path(samples.code),
        environment={**variables(name), **dict(samples.environment)},
    )


def files_of(path: Path) -> list[Path]:
    """The files of a channel, in order."""
    return [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())


def endless_name(path: Path) -> str:
    """A name for an endless file beside the samples, with their suffix so that it is read."""
    files = files_of(path)
    return f"buildkit-waits{files[0].suffix if files else ''}"
