"""The `/opt/ml` tree that SageMaker lays out for a processing job (contract PROC)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract.archive import Archive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildkit.model.target import Samples

INPUT = "processing/input"
OUTPUT = "processing/output"
HOST = "algo-1"
NAME = "buildkit-test"
ARN = f"arn:aws:sagemaker:us-east-1:111122223333:processing-job/{NAME}"


@dataclass(frozen=True, kw_only=True)
class Errand:
    """One host's part of a processing job. Paths in it are below `/opt/ml`.

    `inputs` are names and files or folders of the samples. `outputs` are folders that exist
    before the start; `files` and `fifos` are added.
    """

    image: str
    inputs: tuple[tuple[str, Path], ...] = ()
    outputs: tuple[str, ...] = (OUTPUT,)
    environment: Mapping[str, str] = field(default_factory=lambda: {"AWS_REGION": "us-east-1"})
    host: str = HOST
    files: tuple[tuple[str, bytes], ...] = ()
    fifos: tuple[str, ...] = ()

    def archive(self) -> Iterator[bytes]:
        """Everything below `/opt/ml` when the container starts."""
        archive = Archive()
        for folder in ("config", "output", "processing", INPUT, *self.outputs):
            archive.folder(folder)
        for name, content in self._configuration().items():
            archive.file(f"config/{name}.json", json.dumps(content).encode())
        for name, path in self.inputs:
            archive.tree(f"{INPUT}/{name}", path)
        for name, content in self.files:
            archive.file(name, content)
        for name in self.fifos:
            archive.fifo(name)
        return archive.chunks()

    def _configuration(self) -> Mapping[str, object]:
        return {
            "processingjobconfig": {
                "ProcessingJobArn": ARN,
                "ProcessingJobName": NAME,
                "AppSpecification": {
                    "ImageUri": self.image,
                    "ContainerEntrypoint": None,
                    "ContainerArguments": None,
                },
                "Environment": dict(self.environment),
                "ProcessingInputs": [_input(name) for name, _ in self.inputs],
                "ProcessingOutputConfig": {
                    "Outputs": [_output(path) for path in self.outputs],
                    "KmsKeyId": None,
                },
                "ProcessingResources": {
                    "ClusterConfig": {
                        "InstanceCount": 1,
                        "InstanceType": "ml.m5.xlarge",
                        "VolumeSizeInGB": 30,
                        "VolumeKmsKeyId": None,
                    }
                },
                "RoleArn": "arn:aws:iam::111122223333:role/buildkit-test",
                "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
            },
            "resourceconfig": {"current_host": self.host, "hosts": [self.host]},
        }


def _input(name: str) -> Mapping[str, object]:
    return {
        "InputName": name,
        "AppManaged": False,
        "S3Input": {
            "LocalPath": f"/opt/ml/{INPUT}/{name}",
            "S3Uri": f"s3://buildkit-test/{name}",
            "S3DataDistributionType": "FullyReplicated",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            "S3CompressionType": "None",
        },
    }


def _output(path: str) -> Mapping[str, object]:
    return {
        "OutputName": path.rpartition("/")[2],
        "AppManaged": False,
        "S3Output": {
            "LocalPath": f"/opt/ml/{path}",
            "S3Uri": f"s3://buildkit-test/{path}",
            "S3UploadMode": "EndOfJob",
        },
    }


def of(image: str, samples: Samples) -> Errand:
    """The job on samples: its channels are the inputs."""
    return Errand(
        image=image,
        inputs=tuple((name, Path(path)) for name, path in samples.channels),
        environment={"AWS_REGION": "us-east-1", **dict(samples.environment)},
    )
