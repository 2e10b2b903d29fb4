"""The `/opt/ml` tree that SageMaker lays out for a job, as a tar archive (contract TREE, CFG)."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from buildkit.model import Samples

HOST = "algo-1"
INSTANCE = "ml.m5.xlarge"
ENVIRONMENT = {
    "TRAINING_JOB_NAME": "smoke-test",
    "TRAINING_JOB_ARN": "arn:aws:sagemaker:us-east-1:111122223333:training-job/smoke-test",
    "AWS_REGION": "us-east-1",
}
FOLDERS = ("input/config", "input/data", "model", "output/data")


def training_tree(samples: Samples, channels: Iterable[tuple[str, str]]) -> bytes:
    """All below `/opt/ml` when `train` starts: root's, folders 0755, files 0644 (TREE-05)."""
    channels = tuple(channels)
    configuration: Mapping[str, object] = {
        "hyperparameters": dict(samples.hyperparameters),
        "inputdataconfig": {
            name: {
                "TrainingInputMode": "File",
                "S3DistributionType": "FullyReplicated",
                "RecordWrapperType": "None",
            }
            for name, _ in channels
        },
        "resourceconfig": {
            "current_group_name": "homogeneousCluster",
            "current_host": HOST,
            "current_instance_type": INSTANCE,
            "hosts": [HOST],
            "instance_groups": [
                {
                    "hosts": [HOST],
                    "instance_group_name": "homogeneousCluster",
                    "instance_type": INSTANCE,
                }
            ],
            "network_interface_name": "eth0",
            "topology": None,
        },
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in FOLDERS:
            _folder(archive, folder)
        for name, content in configuration.items():
            _file(archive, f"input/config/{name}.json", json.dumps(content).encode())
        for name, path in channels:
            _tree(archive, f"input/data/{name}", Path(path))
        if samples.code is not None:
            _tree(archive, "code", Path(samples.code))
    return buffer.getvalue()


def model_archive(path: Path) -> bytes:
    """A model's folder as an engine gives `/opt/ml/model`: all below `model/`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        _tree(archive, "model", path)
    return buffer.getvalue()


def files(archive: bytes) -> tuple[str, ...]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as source:
        return tuple(member.name for member in source if member.isfile())


def link(archive: bytes) -> str | None:
    """Where the archive's one member leads, if it is a symbolic link."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as source:
        member = source.next()
        return member.linkname if member is not None and member.issym() else None


def only_file(archive: bytes) -> bytes:
    """The content of an archive that holds one file."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as source:
        for member in source:
            if member.isfile() and (file := source.extractfile(member)) is not None:
                return file.read()
    return b""


def _tree(archive: tarfile.TarFile, name: str, path: Path) -> None:
    if path.is_file():
        _folder(archive, name)
        _file(archive, f"{name}/{path.name}", path.read_bytes())
        return
    _folder(archive, name)
    for child in sorted(path.rglob("*")):
        inner = f"{name}/{child.relative_to(path).as_posix()}"
        if child.is_dir():
            _folder(archive, inner)
        elif child.is_file():
            _file(archive, inner, child.read_bytes())


def _folder(archive: tarfile.TarFile, name: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, 0o755
    archive.addfile(member)


def _file(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    archive.addfile(member, io.BytesIO(content))
