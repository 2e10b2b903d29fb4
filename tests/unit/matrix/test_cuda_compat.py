"""The key `cuda-compat`: which targets get the libraries, and which hosts they then fit."""

from __future__ import annotations

import pytest

from buildkit.amis.fit import State
from buildkit.matrix import compatibility
from buildkit.model.target import CudaCompat
from buildkit.support.errors import ConfigError
from tests.support.projects import targets

CUDA = "nvidia/cuda:13.0.1-base-ubuntu24.04"
SECOND = "al2-ami-sagemaker-inference-gpu-3-1"
AWS = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.8.0-gpu-py312-cu129-ubuntu22.04-sagemaker"


def image(
    compat: str = "", packages: str = '"torch==2.8.0"', base: str = "python:3.11-slim"
) -> str:
    key = f'cuda-compat = "{compat}"\n' if compat else ""
    return (
        f'[image.demo]\nversions = ["1.0"]\ntemplate = "pytorch"\nbase = "{base}"\n'
        f'devices = ["cpu", "gpu"]\npackages = []\n{key}'
        f'override = [{{ when = {{ device = "gpu" }}, packages = [{packages}] }}]\n'
    )


@pytest.mark.parametrize(
    ("compat", "wanted"),
    [
        (CUDA, CudaCompat(image=CUDA, driver=535)),
        ("m.example/nvidia/cuda:12.9.1-base", CudaCompat(image="m.example/nvidia/cuda:12.9.1-base", driver=525)),
        ("compat:{version}-cu128-{py}", CudaCompat(image="compat:1.0-cu128-py311", driver=525)),
    ],
)  # fmt: skip
def test_targets_for_gpus_get_the_libraries_and_others_do_not(
    compat: str, wanted: CudaCompat
) -> None:
    cpu, gpu = targets(image(compat))
    assert (cpu.cuda_compat, gpu.cuda_compat) == (None, wanted)


@pytest.mark.parametrize(
    ("compat", "message"),
    [
        ("nvidia/cuda", "'nvidia/cuda' shows no known CUDA version in its name, as `nvidia/cuda:13.0.1-base-ubuntu24.04` does"),
        ("nvidia/cuda:99.0.1-base", "'nvidia/cuda:99.0.1-base' shows no known CUDA version in its name"),
        ("NVIDIA:cu130", "NVIDIA:cu130"),
        ("{cuda}", "unknown word {cuda}"),
        ("nvidia/cuda:12.6.3-base", "the packages or the base need CUDA 12.8, and `cuda-compat` is of CUDA 12.6; use an image of CUDA 12.8 there"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_right_is_one_problem(compat: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        targets(image(compat))
    assert message in f"{caught.value.message}\n{caught.value.details}"
    assert str(caught.value.details).count("images.toml:") <= 1


def test_a_problem_of_the_key_is_at_its_line_in_the_spelling_of_the_file() -> None:
    with pytest.raises(ConfigError) as caught:
        targets(image("nvidia/cuda:13"))
    assert caught.value.details.startswith("images.toml:7: image.demo.cuda-compat: 'nvidia/cuda:")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        pytest.param(
            image(CUDA).replace(', "gpu"', "").replace('override = [{ when = { device = "gpu" }', 'override = [{ when = { version = "1.0" }'),
            "images.toml:7: image.demo.cuda-compat: ",
            id="an image for CPUs",
        ),
        pytest.param(
            image().replace('device = "gpu" }', f'device = "cpu" }}, cuda-compat = "{CUDA}"'),
            "images.toml:7: image.demo.override.0.cuda-compat: ",
            id="an override for CPUs",
        ),
    ],
)  # fmt: skip
def test_a_key_that_no_target_for_gpus_has_is_a_problem(text: str, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        targets(text)
    assert caught.value.details.startswith(f"{where}no effect: only images for GPUs")


def test_a_default_for_all_images_is_no_problem_of_one_for_cpus() -> None:
    text = f'[defaults]\ncuda-compat = "{CUDA}"\n[image.demo]\nversions = ["1"]\nbase = "a"\n'
    (one,) = targets(f'{text}template = "extend"\n')
    assert one.cuda_compat is None


@pytest.mark.parametrize(
    ("text", "state"),
    [
        pytest.param(image(), State.NO_PTX, id="without"),
        pytest.param(image(CUDA), State.COMPAT, id="with the key"),
        pytest.param(image(packages="", base=AWS), State.COMPAT, id="an image of AWS's"),
        pytest.param(image(packages="", base="nvidia/cuda:12.9.1-base-ubuntu24.04"), State.NO_PTX, id="NVIDIA's image loads nothing"),
    ],
)  # fmt: skip
def test_hosts_fit_with_cuda_compat_only_if_the_image_has_it(text: str, state: State) -> None:
    _, gpu = targets(text)
    cuda = compatibility.cuda_of(gpu)
    assert cuda is not None
    endpoint, _ = cuda.asks
    assert endpoint.ami is not None
    assert (endpoint.ami.name, endpoint.state) == (SECOND, state)
