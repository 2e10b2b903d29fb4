"""`init --from`: what is there already becomes an images.toml that leads to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkit import project
from buildkit.model.target import Device, Purpose
from buildkit.prebuilt import facts
from buildkit.prebuilt.naming import named
from buildkit.scaffold import origin, write
from buildkit.support.errors import UsageError
from buildkit.system import files

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.model.target import Target

AWS = "763104351884.dkr.ecr.eu-west-1.amazonaws.com"


def taken(source: str, folder: Path) -> Target:
    plan = write.plan(origin.take_over(source, folder, "acme"), folder)
    files.create(plan.new, plan.more)
    (only,) = project.read(folder / "images.toml", None, renders=True).targets
    return only


@pytest.mark.parametrize(
    ("source", "names", "purpose", "is_known"),
    [
        (f"{AWS}/pytorch-training:2.5.1-cpu-py311", ("acme-2.5.1-1-cpu-py311", "2.5.1-1-cpu-py311"), Purpose.TRAINING, True),
        (f"{AWS}/pytorch-inference:2.3-gpu-py311", ("acme-2.3-1-gpu-py311", "2.3-1-gpu-py311"), Purpose.INFERENCE, True),
        ("257758044811.dkr.ecr.us-east-2.amazonaws.com/sagemaker-xgboost:1.7-1", ("acme-1.7-1-1-cpu-py311", "1.7-1-1-cpu"), Purpose.BOTH, True),
        ("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3", ("acme-1.2-1-1-cpu-py311", "1.2-1-1-cpu"), Purpose.BOTH, True),
        (f"{AWS}/huggingface-pytorch-training:2.0.0-transformers4.28.1-gpu-py310-cu118-ubuntu20.04", ("acme-4.28.1-1-gpu-py310", "4.28.1-1-gpu-py310"), Purpose.TRAINING, True),
        (f"{AWS}/pytorch-training:2.5.1-gpu-py311-cu124-ubuntu22.04-sagemaker", ("acme-1.0-gpu-py311", "1.0"), Purpose.TRAINING, False),
        ("763104351884.dkr.ecr.eu-south-1.amazonaws.com/pytorch-training:2.5.1-cpu-py311", ("acme-1.0-cpu-py311", "1.0"), Purpose.TRAINING, False),  # another account there
        (f"{AWS}/nosuch:1", ("acme-1.0-cpu-py311", "1.0"), Purpose.BOTH, False),
        (f"{AWS}/pytorch-training:2.5.1-cpu-py311@sha256:{'0' * 64}", ("acme-1.0-cpu-py311", "1.0"), Purpose.TRAINING, False),
        ("public.ecr.aws/deep-learning-containers/pytorch-inference:2.5.1-gpu-py311", ("acme-1.0-gpu-py311", "1.0"), Purpose.INFERENCE, False),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.5.1-cpu-py311", ("acme-1.0-cpu-py311", "1.0"), Purpose.TRAINING, False),
        ("my-image:latest", ("acme-1.0-cpu-py311", "1.0"), Purpose.BOTH, False),
        ("my-image", ("acme-1.0-cpu-py311", "1.0"), Purpose.BOTH, False),
        ("me/my-model:1.0", ("acme-1.0-cpu-py311", "1.0"), Purpose.BOTH, False),
        ("python:3.12-slim", ("acme-1.0-cpu-py312", "1.0"), Purpose.BOTH, False),
        ("nvidia/cuda:12.6.3-runtime-ubuntu24.04", ("acme-1.0-gpu-py311", "1.0"), Purpose.BOTH, False),
    ],
)  # fmt: skip
def test_an_image_becomes_the_base(
    source: str, names: tuple[str, str], purpose: Purpose, is_known: bool, tmp_path: Path
) -> None:
    target = taken(source, tmp_path)
    assert target.base == source
    assert ((target.id, target.tag), target.purpose) == (names, purpose)
    assert target.template == "extend"
    assert ("prebuilt = {" in (tmp_path / "images.toml").read_text()) == is_known


def test_every_image_of_the_data_is_taken_over(tmp_path: Path) -> None:
    """One version of each entry, in one of its regions: the base is the URI, byte by byte."""
    by_keys = tried = 0
    for framework in facts.frameworks():
        for entry in facts.entries(framework):
            region = facts.regions()[min(entry.regions)]
            repository, tag = named(entry, entry.names[0], next(iter(entry.bases), None))
            account = region.accounts[entry.family]
            if not tag or "{" in repository + tag:
                continue
            uri = f"{region.host(account)}/{repository}:{tag}"
            tried += 1
            by_keys += origin._prebuilt(uri, "acme") is not None
    assert tried > 500
    assert by_keys > 0.8 * tried


def test_a_dockerfile_is_taken_over_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "app").mkdir()
    file = tmp_path / "docker/Dockerfile"
    file.write_text("FROM python:3.11-slim AS all\nCOPY --chmod=755 app/serve /usr/local/bin/\n")
    (tmp_path / "app/serve").write_text("#!/bin/sh\n")
    (tmp_path / ".dockerignore").write_text("tests\n")
    text = file.read_text()
    target = taken(str(file), tmp_path)
    assert file.read_text() == text
    assert target.dockerfile == str(file)
    assert target.context == str(tmp_path)  # its COPY lines start there, and not beside the file
    assert target.purpose is Purpose.INFERENCE
    assert target.tag == "1.0"
    assert (tmp_path / ".dockerignore").read_text() == "tests\ndist\nreleases.jsonl\n"


def test_a_path_keeps_the_name_that_the_template_has(tmp_path: Path) -> None:
    (tmp_path / "my-model").mkdir()
    file = tmp_path / "my-model/Dockerfile"
    file.write_text("FROM python:3.11-slim\n")
    assert taken(str(file), tmp_path).dockerfile == str(file)


def test_a_folder_with_a_dockerfile_is_one_and_its_context(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    (tmp_path / "image/Dockerfile").write_text("FROM python:3.11-slim\nCOPY train serve /bin/\n")
    for word in ("train", "serve"):
        (tmp_path / "image" / word).write_text("#!/bin/sh\n")
        (tmp_path / "image" / word).chmod(0o755)
    target = taken(str(tmp_path / "image"), tmp_path)
    assert target.context == str(tmp_path / "image")
    assert target.purpose is Purpose.BOTH
    assert target.device is Device.CPU
    assert not (tmp_path / "image/.dockerignore").exists()  # its author decides


def test_the_ignore_file_of_the_dockerfile_itself_comes_first(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (tmp_path / "Dockerfile.dockerignore").write_text("tests\n")
    made = origin.take_over(str(tmp_path / "Dockerfile"), tmp_path, "acme")
    assert made.ignored["Dockerfile.dockerignore"] == origin.OWN
    assert ".dockerignore" not in made.ignored


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("./nothing", "no such Dockerfile"),
        ("docker/Dockerfile", "no such Dockerfile"),
        ("gpu.Dockerfile", "no such Dockerfile"),
        ("UPPER", "not an image reference"),
        ("https://example.com/x", "not an image reference"),
        ("", "not an image reference"),
        ("a" * 5000, "`--from aaa.*the name is too long for an image"),
    ],
)
def test_what_is_neither_is_an_error(source: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        origin.take_over(source, tmp_path, "acme")
    assert "name a Dockerfile, an image" in (caught.value.hint or "")


def test_a_dockerfile_of_another_project_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(UsageError, match="outside of the project"):
        origin.take_over(str(tmp_path / "Dockerfile"), tmp_path / "new", "acme")
