"""Targets whose base is one of AWS's images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkit.config import images_toml, substitution
from buildkit.matrix import matrix
from buildkit.support.errors import ConfigError
from tests.support.projects import targets

if TYPE_CHECKING:
    from pathlib import Path

DLC = "763104351884.dkr.ecr.eu-west-1.amazonaws.com"


def project(asked: str, keys: str = 'purposes = ["training"]', region: str = "eu-west-1") -> str:
    keys = keys if "versions" in keys else f'versions = ["2.5.1-3"]\n{keys}'
    registry = f'[registry]\nregion = "{region}"\n' if region else ""
    return f"{registry}[image.demo]\n{keys}\nbase = {{ prebuilt = {{ {asked} }} }}\n"


TORCH = 'framework = "pytorch"'


@pytest.mark.parametrize(
    ("text", "base"),
    [
        pytest.param(project(TORCH), f"{DLC}/pytorch-training:2.5.1-cpu-py311", id="all is the target's"),
        pytest.param(project(TORCH, region="eu-south-1"), "692866216735.dkr.ecr.eu-south-1.amazonaws.com/pytorch-training:2.5.1-cpu-py311", id="another account in another region"),
        pytest.param(project(TORCH, region="cn-north-1"), "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/pytorch-training:2.5.1-cpu-py311", id="another partition"),
        pytest.param(project(TORCH, 'purposes = ["training"]\ndevices = ["gpu"]'), f"{DLC}/pytorch-training:2.5.1-gpu-py311", id="the device"),
        pytest.param(project(TORCH, 'purposes = ["inference"]'), f"{DLC}/pytorch-inference:2.5.1-cpu-py311", id="the purpose"),
        pytest.param(project(TORCH + ', version = "2.3", device = "gpu", python = "3.11", purpose = "inference"', 'pythons = ["3.13"]'), f"{DLC}/pytorch-inference:2.3-gpu-py311", id="what is written wins"),
        pytest.param(project('framework = "sklearn", version = "1.2-1", python = "py3"', ""), "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3", id="one image for every purpose"),
        pytest.param(project(TORCH + ', region = "us-east-1"'), "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.5.1-cpu-py311", id="a region of its own"),
        pytest.param(project(TORCH, 'versions = ["2.6.0"]\npurposes = ["inference"]\nplatform = "linux/arm64"\npythons = ["3.12"]'), f"{DLC}/pytorch-inference-arm64:2.6.0-cpu-py312-ubuntu22.04-sagemaker", id="ARM"),
        pytest.param(project('framework = "huggingface", version = "4.28.1", base-framework = "pytorch2.0"', 'devices = ["gpu"]\npythons = ["3.10"]\npurposes = ["training"]'), f"{DLC}/huggingface-pytorch-training:2.0.0-transformers4.28.1-gpu-py310-cu118-ubuntu20.04", id="a base framework"),
        pytest.param(project('framework = "PyTorch", purpose = "Training", device = "CPU", python = "Py3.11"'), f"{DLC}/pytorch-training:2.5.1-cpu-py311", id="any case"),
        pytest.param(project('framework = "HuggingFace", version = "4.28.1", base-framework = "PyTorch2.0"', 'devices = ["gpu"]\npythons = ["3.10"]\npurposes = ["training"]'), f"{DLC}/huggingface-pytorch-training:2.0.0-transformers4.28.1-gpu-py310-cu118-ubuntu20.04", id="a base framework in any case"),
    ],
)  # fmt: skip
def test_the_base_is_aws_s_image_for_the_target_and_the_region(text: str, base: str) -> None:
    (target,) = targets(text)
    assert target.base == base


def test_one_device_may_have_a_prebuilt_image_and_the_other_not() -> None:
    text = """
        [image.demo]
        versions = ["2.5.1"]
        devices = ["cpu", "gpu"]
        purposes = ["training"]
        base = { cpu = "b", gpu = { prebuilt = { framework = "pytorch", region = "eu-west-1" } } }
    """
    assert [target.base for target in targets(text)] == [
        "b",
        f"{DLC}/pytorch-training:2.5.1-gpu-py311",
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param(
            project(TORCH + ', version = "2.5.9"'),
            "images.toml:6: image.demo.base.prebuilt: demo-2.5.1-3-cpu-py311: the data (sagemaker-core 2.27.0) "
            "has no `pytorch` 2.5.9; did you mean: `2.5.1`",
            id="no such version",
        ),
        pytest.param(
            project('framework = "pytorhc"'),
            "`buildkit uri --list --frameworks` lists all",
            id="no such framework",
        ),
        pytest.param(
            project(TORCH, 'pythons = ["3.9"]\npurposes = ["training"]'),
            "has no `pytorch` 2.5.1 for the Python `py39`; did you mean: `py311`",
            id="no such Python",
        ),
        pytest.param(
            project('framework = "sklearn"', ""),
            '`prebuilt` asked for { framework = "sklearn", version = "',
            id="what was asked",
        ),
        pytest.param(
            project(TORCH, ""), "also pass `purpose`; purpose: ", id="two images for two purposes"
        ),
        pytest.param(
            project(TORCH, 'platform = "linux/arm64"\npurposes = ["training"]'),
            "has no image for training on linux/arm64",
            id="training on ARM",
        ),
        pytest.param(
            project(TORCH, region=""),
            "image.demo.base.prebuilt: AWS's images differ by region",
            id="no region",
        ),
        pytest.param(
            project(TORCH + ', versoin = "2"'),
            "image.demo.base.prebuilt.versoin: unknown key; did you mean `version`?",
            id="an unknown key",
        ),
        pytest.param(
            project('version = "2"'),
            "image.demo.base.prebuilt.framework: required key is missing",
            id="no framework",
        ),
        pytest.param(
            project(TORCH + ', region = "Europe"'),
            "image.demo.base.prebuilt.region: 'Europe' is not a region",
            id="no region's name",
        ),
    ],
)
def test_what_aws_has_not_is_a_problem_of_the_file(text: str, wanted: str) -> None:
    with pytest.raises(ConfigError) as caught:
        targets(text)
    assert wanted in caught.value.details


def test_the_region_of_the_environment_counts_where_the_file_says_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    file = tmp_path / "images.toml"

    def base(text: str, *, use_environment: bool = True) -> str:
        file.write_text(text)
        (target,) = matrix.expand(images_toml.read(file, use_environment=use_environment))
        return target.base

    assert base(project(TORCH, region="")).split(".")[3] == "us-west-2"
    assert base(project(TORCH)).split(".")[3] == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "us-east-2")
    assert base(project(TORCH, region="")).split(".")[3] == "us-east-2"
    with pytest.raises(ConfigError):
        base(project(TORCH, region=""), use_environment=False)


def test_a_stand_in_takes_the_place_of_aws_s_image() -> None:
    (target,) = targets(project(TORCH))
    rules = substitution.parse(
        ["763104351884.dkr.ecr.eu-west-1.amazonaws.com/*=mirror.example/aws/*"]
    )
    assert substitution.substitute(target.base, rules) == (
        "mirror.example/aws/pytorch-training:2.5.1-cpu-py311"
    )
