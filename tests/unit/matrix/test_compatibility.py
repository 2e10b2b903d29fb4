"""Cells of the matrix that cannot work are refused before anything is built."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from packaging.version import Version

from buildkit import cli
from buildkit.amis import facts
from buildkit.matrix import compatibility
from buildkit.support import tables
from buildkit.support.errors import ConfigError, Exit
from tests.support.projects import targets


def image(packages: str, keys: str = "", base: str = "python:{python}-slim") -> str:
    return f'[image.demo]\nversions = ["1.0"]\nbase = "{base}"\npackages = [{packages}]\n{keys}\n'


GPU = 'devices = ["gpu"]'
CUDA_11 = "nvidia/cuda:11.8.0-cudnn8-runtime-ubuntu22.04"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param(
            image('"torch==2.13.0"', 'pythons = ["3.9"]'),
            "images.toml:4: image.demo.packages: demo-1.0-cpu-py39: torch 2.13.0 does not support Python 3.9, "
            "only 3.10-3.14; the newest for Python 3.9 is torch 2.8.0",
            id="a Python that is too old",
        ),
        pytest.param(
            image('"torch===2.13.0"', 'pythons = ["3.9"]'),
            "torch 2.13.0 does not support Python 3.9",
            id="the same, without labels",
        ),
        *(
            pytest.param(
                image(f'"torch{spelling}"', 'pythons = ["3.12"]'),
                "torch 2.0.0 does not support Python 3.12",
                id=f"the release {spelling}",
            )
            for spelling in ("==2.0", "==2.0.0.0", "==02.0.0", "==v2.0.0", "==2.0.0,<3", "===2.0")
        ),
        pytest.param(
            image('"torch==2.5.1+cpu"', 'pythons = ["3.14"]'),
            "torch 2.5.1 does not support Python 3.14, only 3.9-3.13; the newest for Python 3.14 is torch",
            id="a Python that is too new",
        ),
        pytest.param(
            image('"scikit_learn == 1.8.0"', 'pythons = ["3.10"]'),
            "scikit-learn 1.8.0 does not support Python 3.10, only 3.11+; the newest for Python 3.10 is "
            "scikit-learn 1.7.2",
            id="another spelling of a package",
        ),
        pytest.param(
            image('"tensorflow-cpu==2.20.0"', GPU),
            "demo-1.0-gpu-py311: tensorflow-cpu 2.20.0 does not support CUDA, which an image for gpu needs; "
            "use `tensorflow[and-cuda]` for gpu",
            id="a package without CUDA for gpu",
        ),
        pytest.param(
            image('"mxnet==1.9.1"', GPU),
            "mxnet 1.9.1 does not support CUDA",
            id="a framework without CUDA",
        ),
        pytest.param(
            image('"torch==2.13.0+cpu"', GPU),
            "torch 2.13.0+cpu does not support CUDA; use `torch==2.13.0` for gpu",
            id="a build without CUDA for gpu",
        ),
        pytest.param(
            image('"torch==2.5.1+cu128"', GPU),
            "torch 2.5.1 is not available for CUDA 12.8, only for 11.8, 12.1, 12.4",
            id="a CUDA that it is not built for",
        ),
        pytest.param(
            image('"torch==2.5.1+cu124"'),
            "torch 2.5.1+cu124 installs CUDA in an image for cpu; use `torch==2.5.1+cpu`",
            id="CUDA for cpu",
        ),
        pytest.param(
            image('"tensorflow[and-cuda]==2.20.0"'),
            "tensorflow[and-cuda] installs CUDA in an image for cpu; use `tensorflow-cpu`",
            id="CUDA by an extra for cpu",
        ),
        pytest.param(
            image('"tensorflow==2.20.0"', GPU, CUDA_11),
            "tensorflow 2.20.0 needs CUDA 12.5, but the base has 11.8; use a base with CUDA 12, "
            "or `tensorflow[and-cuda]`",
            id="the CUDA of the base",
        ),
    ],
)
def test_what_cannot_work_is_refused_and_what_would_is_named(text: str, wanted: str) -> None:
    with pytest.raises(ConfigError) as caught:
        targets(text)
    assert wanted in caught.value.details


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(image('"torch==2.13.0"', 'pythons = ["3.10", "3.14"]'), id="the edges"),
        pytest.param(image('"torch==9.9.9"', 'pythons = ["3.9"]'), id="an unknown version"),
        pytest.param(image('"torch==2.13.0+ours"', 'pythons = ["3.9"]'), id="one's own build"),
        pytest.param(image('"torch>=2.13"', 'pythons = ["3.9"]'), id="no exact version"),
        pytest.param(image('"torch==2.*"', 'pythons = ["3.9"]'), id="any of a series"),
        pytest.param(
            image("\"torch==2.13.0; python_version > '3.9'\"", 'pythons = ["3.9"]'), id="a marker"
        ),
        pytest.param(
            image('"torch==2.13.0"', 'pythons = ["3.9"]\nplatform = "linux/arm64"'), id="ARM"
        ),
        pytest.param(image('"torch==2.5.1+cu124"', GPU), id="a CUDA that it is built for"),
        pytest.param(image('"torch==2.13.0+cu126"', GPU), id="variants that are not known"),
        pytest.param(image('"torch==2.5.1"', GPU, CUDA_11), id="wheels with their own CUDA"),
        pytest.param(
            image('"tensorflow[and-cuda]==2.20.0"', GPU, CUDA_11), id="an extra with its own CUDA"
        ),
        pytest.param(
            image('"tensorflow==2.20.0"', GPU, "nvidia/cuda:12.8.1-runtime"), id="the same CUDA"
        ),
        pytest.param(image('"scikit-learn==1.7.2"', 'pythons = ["3.15"]'), id="from its source"),
        pytest.param(image('"mxnet==1.9.1"'), id="a Python of which nothing is known"),
    ],
)
def test_what_may_work_passes(text: str) -> None:
    assert targets(text)


def test_the_cells_of_one_image_are_judged_one_by_one() -> None:
    with pytest.raises(ConfigError) as caught:
        targets(image('"torch==2.8.0"', 'pythons = ["3.9", "3.13", "3.14"]'))
    assert caught.value.message.startswith("1 problem ")
    assert "demo-1.0-cpu-py314: " in caught.value.details


@pytest.mark.parametrize(
    ("text", "cuda"),
    [
        pytest.param(image('"numpy", "torch==2.13.0"', GPU), ("13.0", 580), id="its own"),
        pytest.param(image('"torch==2.5.1+cu118"', GPU), ("11.8", 450), id="a variant's"),
        pytest.param(image('"numpy"', GPU, CUDA_11), ("11.8", 450), id="the base's"),
        pytest.param(image('"torch==2.5.1"', GPU, CUDA_11), ("12.4", 525), id="the newer of two"),
        pytest.param(
            image('"numpy"', f'{GPU}\npurposes = ["training"]', "nvidia/cuda:14.0.1-base"),
            ("14.0", None),
            id="an unknown driver",
        ),
        pytest.param(image('"torch==2.13.0"'), None, id="none for cpu"),
        pytest.param(image('"torch==2.5.1"', GPU, "ubuntu"), ("12.4", 525), id="a bare base"),
        pytest.param(image('"lightgbm==4.6.0"', GPU), None, id="none that is known"),
    ],
)
def test_cuda_and_its_driver_are_shown(text: str, cuda: tuple[str, int | None] | None) -> None:
    (target,) = targets(text)
    found = compatibility.cuda_of(target)
    assert (found and (str(found.version), found.driver)) == cuda


@pytest.mark.parametrize(
    ("keys", "base"),
    [
        pytest.param('packages = ["torch==2.13.0+cu140"]', "python:{python}-slim", id="a wheel"),
        pytest.param("", "nvidia/cuda:14.0.1-runtime-ubuntu26.04", id="a base"),
    ],
)
def test_a_target_that_fits_no_host_is_refused(keys: str, base: str) -> None:
    start = f'[image.demo]\nversions = ["1.0"]\n{GPU}\nbase = "{base}"\n{keys}\n'
    with pytest.raises(ConfigError) as caught:
        targets(start)
    assert (
        "demo-1.0-gpu-py311: no host of SageMaker's endpoints has a driver for CUDA 14.0; use "
        'packages and a base of CUDA 13 or older, or `purposes = ["training"]`'
    ) in caught.value.details
    assert targets(f'{start}purposes = ["training"]\n')


def test_list_shows_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "images.toml"
    file.write_text(image('"torch==2.13.0"', f"{GPU}\ntemplate = 'pytorch'"))
    assert cli.run(["list", "--file", str(file)]) == Exit.DONE
    newest = "al2023-ami-sagemaker-inference-gpu-4-1"
    assert (
        capsys.readouterr()
        .out.splitlines()[1]
        .endswith(
            f"CUDA 13.0, driver 580 or newer; endpoints: InferenceAmiVersion {newest}; "
            "batch transform: no AMI fits without cuda-compat"
        )
    )
    assert cli.run(["list", "--file", str(file), "--json"]) == Exit.DONE
    (shown,) = json.loads(capsys.readouterr().out)
    assert (shown["cuda"], shown["driver"]) == ("13.0", "580")
    assert (shown["inference_ami"], shown["transform_ami"]) == (newest, None)
    assert shown["cuda_compat_on"] == []
    assert (shown["hosts"]["default"], shown["hosts"][newest]) == ("does not fit", "fits")
    assert shown["hosts"]["al2-ami-sagemaker-batch-gpu-535"] == "does not fit"


def test_every_line_of_the_data_is_well_formed() -> None:
    sections = tables.sections(str(compatibility.DATA))
    for title, text in sections.items():
        rows = list(tables.rows(text))
        versions = [Version(row[0]) for row in rows]
        assert versions == sorted(versions)
        known = {"-", *map(str, facts.drivers())}
        assert {each.split(".")[0] for _, _, each, _ in rows} <= known, title
    assert Path(compatibility.DATA).stat().st_size < 50_000
