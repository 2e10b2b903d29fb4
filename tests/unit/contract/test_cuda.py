"""GPU-03, GPU-05, GPU-06: the CUDA of an image, the hosts that it fits, and its compat libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkit.contract import checks
from buildkit.contract.image import cuda
from tests.unit.contract.test_contract_hosting import still

if TYPE_CHECKING:
    from buildkit.contract.checks import Check

SITE = "/usr/local/lib/python3.12/site-packages"
VENV = "/opt/venv/lib/python3.12/site-packages"
TORCH = """\
from typing import Optional
__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip']
__version__ = '2.11.0+cu{short}'
debug = False
cuda: Optional[str] = {cuda}
git_version = '7bcf7da3a268b435777fe87c7794c382f444e86d'
hip: Optional[str] = None
"""
TENSORFLOW = """\
import collections
build_info = collections.OrderedDict([('cpu_compiler', '/usr/bin/clang'), ('cuda_version', '12.5.1'), ('is_cuda_build', True)])
"""
HEADER = f"/*{' licence' * 700}*/\n/** CUDA Runtime API Version */\n#define CUDART_VERSION  12080\n"
ENDPOINT = "endpoints: InferenceAmiVersion"
NEWEST = f"{ENDPOINT} al2023-ami-sagemaker-inference-gpu-4-1"
SECOND = f"{ENDPOINT} al2-ami-sagemaker-inference-gpu-3-1"
BATCH = "batch transform: TransformAmiVersion al2-ami-sagemaker-batch-gpu-535"
SWITCH = {
    "/usr/local/bin/serve": "#!/bin/sh\nsource /usr/local/bin/start_cuda_compat.sh\nexec app\n"
}
NO_BATCH = "batch transform: no AMI fits without cuda-compat"
PTX = "programs there cannot compile CUDA code (PTX) while they run"


def torch(version: str) -> dict[str, str]:
    short = version.replace(".", "")
    return {f"{SITE}/torch/version.py": TORCH.format(cuda=repr(version), short=short)}


def compat(driver: str, folder: str = "/usr/local/cuda/compat") -> dict[str, str]:
    library = f"libcuda.so.{driver}"
    return {f"{folder}/libcuda.so.1": f"-> {library}", f"{folder}/{library}": "ELF"}


def judged(
    check: Check[Any],
    tree: dict[str, str] | None = None,
    environment: dict[str, str] | None = None,
    **view: Any,
) -> tuple[str, str]:
    image = still(tree or {}, environment=environment or {}, **view)
    result = checks.run(check, image)
    return result.status.value, result.message


@pytest.mark.parametrize(
    ("tree", "environment", "message"),
    [
        pytest.param({}, {"CUDA_VERSION": "12.2.2"}, f"CUDA 12.2 (by CUDA_VERSION); {SECOND}; {BATCH}", id="a variable"),
        pytest.param(torch("13.0"), {}, f"CUDA 13.0 (by {SITE}/torch/version.py); {NEWEST}; {NO_BATCH}", id="torch"),
        pytest.param(torch("12.8"), {}, f"CUDA 12.8 (by {SITE}/torch/version.py); {SECOND} without PTX; {BATCH} without PTX; {PTX}", id="torch, without cuda-compat"),
        pytest.param({**torch("12.8"), **compat("570.148.08"), **SWITCH}, {}, f"CUDA 12.8 (by {SITE}/torch/version.py); {SECOND} with cuda-compat; {BATCH} with cuda-compat", id="torch, with cuda-compat"),
        pytest.param({**torch("12.8"), **compat("570.148.08")}, {}, f"CUDA 12.8 (by {SITE}/torch/version.py); {SECOND} with cuda-compat; {BATCH} with cuda-compat; but no start program loads it", id="torch, with cuda-compat that nothing loads"),
        pytest.param({f"{SITE}/tensorflow/python/platform/build_info.py": TENSORFLOW, **compat("575.57"), **SWITCH}, {}, f"CUDA 12.5 (by {SITE}/tensorflow/python/platform/build_info.py); {SECOND} with cuda-compat; {BATCH} with cuda-compat", id="TensorFlow"),
        pytest.param({f"{SITE}/nvidia/cu13/lib/libcudart.so.13": "ELF"}, {}, f"CUDA 13.0 (by {SITE}/nvidia/cu13/lib/libcudart.so.13); {NEWEST}; {NO_BATCH}", id="wheels for CUDA 13"),
        pytest.param({f"{SITE}/nvidia/cuda_runtime/lib/libcudart.so.12": "ELF"}, {}, f"CUDA 12.0 (by {SITE}/nvidia/cuda_runtime/lib/libcudart.so.12); {SECOND}; {BATCH}", id="wheels for CUDA 12"),
        pytest.param({f"{SITE}/nvidia/cuda_runtime/lib/libcudart.so.12": "ELF", f"{SITE}/nvidia/cuda_runtime/include/cuda_runtime_api.h": HEADER}, {}, f"CUDA 12.8 (by {SITE}/nvidia/cuda_runtime/lib/libcudart.so.12); {SECOND} without PTX; {BATCH} without PTX; {PTX}", id="wheels for CUDA 12.8"),
        pytest.param(torch("13.0"), {"CUDA_VERSION": "12.6.3"}, f"CUDA 13.0 (by {SITE}/torch/version.py); {NEWEST}; {NO_BATCH}", id="the newest of two"),
        pytest.param({f"{VENV}/nvidia/cu13/lib/libcudart.so.13": "ELF"}, {"PATH": "/opt/venv/bin:/usr/bin"}, f"CUDA 13.0 (by {VENV}/nvidia/cu13/lib/libcudart.so.13); {NEWEST}; {NO_BATCH}", id="an environment on the PATH"),
    ],
)  # fmt: skip
def test_an_image_that_fits_a_host_passes_and_says_what_to_ask_for(
    tree: dict[str, str], environment: dict[str, str], message: str
) -> None:
    assert judged(cuda.fits_a_host, tree, environment) == ("pass", message)


@pytest.mark.parametrize(
    ("tree", "environment", "evidence"),
    [
        pytest.param({}, {"CUDA_VERSION": "14.1.0"}, "CUDA 14.1 (by CUDA_VERSION) fits no host of endpoints: ", id="no driver"),
        pytest.param(compat("640.1"), {"CUDA_VERSION": "14.1.0"}, "driver 580 is too old for CUDA 14.1", id="no driver, with cuda-compat"),
        pytest.param({}, {"NVIDIA_REQUIRE_CUDA": "cuda>=14.1 brand=tesla,driver>=600"}, "NVIDIA_REQUIRE_CUDA excludes driver 580 with CUDA 13.0", id="a requirement"),
    ],
)  # fmt: skip
def test_an_image_that_fits_no_host_is_broken(
    tree: dict[str, str], environment: dict[str, str], evidence: str
) -> None:
    status, message = judged(cuda.fits_a_host, tree, environment)
    assert status == "fail"
    assert evidence in message


def test_an_image_whose_requirement_leaves_only_old_drivers_needs_cuda_compat() -> None:
    environment = {"CUDA_VERSION": "13.0.1", "NVIDIA_REQUIRE_CUDA": "brand=tesla,driver<551"}
    status, message = judged(cuda.fits_a_host, {}, environment)
    assert (status, "only with cuda-compat, which is not installed" in message) == ("fail", True)
    assert judged(cuda.fits_a_host, compat("580.65"), environment)[0] == "pass"
    environment["NVIDIA_DISABLE_REQUIRE"] = "true"
    assert judged(cuda.fits_a_host, {}, environment)[0] == "pass"


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param({}, id="nothing"),
        pytest.param({f"{SITE}/torch/version.py": TORCH.format(cuda=None, short="")}, id="torch for CPUs"),
        pytest.param({f"{SITE}/nvidia/cu13/lib/libcudart.so.13": ""}, id="an empty file"),
    ],
)  # fmt: skip
def test_an_image_of_unknown_cuda_is_not_judged(tree: dict[str, str]) -> None:
    assert judged(cuda.fits_a_host, tree)[0] == "skip"


def test_an_image_for_training_only_is_not_judged() -> None:
    """No request for a training job names a host."""
    image = still({}, environment={"CUDA_VERSION": "14.1.0"}, serves=False)
    for check in (cuda.fits_a_host, cuda.compat_suits_the_driver):
        assert checks.run(check, image).status.value == "skip"


ON_PATH = {"LD_LIBRARY_PATH": "/usr/local/cuda/compat:/usr/local/nvidia/lib"}
LOADER = {"/etc/ld.so.conf.d/000_cuda.conf": "/usr/local/cuda/compat\n"}
ONLY_OLD = {"NVIDIA_REQUIRE_CUDA": "brand=tesla,driver<551"}


@pytest.mark.parametrize(
    ("tree", "environment", "found"),
    [
        pytest.param({}, {"CUDA_VERSION": "12.9.1"}, "skip", id="no cuda-compat"),
        pytest.param(compat("575.57.08"), {"CUDA_VERSION": "12.9.1"}, "pass", id="never on the path, needed only for PTX"),
        pytest.param(compat("575.57.08"), {"CUDA_VERSION": "12.9.1", **ON_PATH}, "pass", id="always, and the image does not start on the newer driver"),
        pytest.param({**compat("535.104.05"), **LOADER}, {"CUDA_VERSION": "12.2.2"}, "fail", id="always, by the loader's configuration"),
        pytest.param(compat("545.23.08"), {"CUDA_VERSION": "12.9.1", **ON_PATH}, "warn", id="always, and a newer driver needs cuda-compat"),
        pytest.param(compat("535.104.05"), {"CUDA_VERSION": "12.2.2", **ON_PATH}, "fail", id="always, and the host to ask for has a newer one"),
        pytest.param(compat("530.30.02"), {"CUDA_VERSION": "13.0.1", **ON_PATH}, "fail", id="always, and only the newest of all newer hosts fits"),
        pytest.param(compat("580.65.06"), {"CUDA_VERSION": "13.0.1", **ON_PATH}, "pass", id="always, and no driver is newer"),
        pytest.param(compat("580.65.06"), {"CUDA_VERSION": "13.0.1", **ONLY_OLD}, "fail", id="never, and all hosts need it"),
        pytest.param(compat("580.65.06"), {"CUDA_VERSION": "13.0.1", **ONLY_OLD, **ON_PATH}, "pass", id="always, and all hosts need it"),
        pytest.param({**compat("580.65.06"), **SWITCH}, {"CUDA_VERSION": "13.0.1", **ONLY_OLD}, "pass", id="switched by a program"),
        pytest.param(compat("535.104.05", "/usr/local/cuda-12.2/compat"), {"CUDA_VERSION": "12.2.2", **ON_PATH}, "fail", id="in the folder of its version"),
    ],
)  # fmt: skip
def test_compat_libraries(tree: dict[str, str], environment: dict[str, str], found: str) -> None:
    status, message = judged(cuda.compat_suits_the_driver, tree, environment)
    assert status == found, message


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, "pass"),
        ({"NVIDIA_VISIBLE_DEVICES": "all"}, "pass"),
        ({"NVIDIA_VISIBLE_DEVICES": "void"}, "pass"),
        ({"CUDA_VISIBLE_DEVICES": ""}, "pass"),
        ({"CUDA_VISIBLE_DEVICES": "MIG-3"}, "pass"),
        ({"CUDA_VISIBLE_DEVICES": "0"}, "warn"),
        ({"NVIDIA_VISIBLE_DEVICES": "0, 1"}, "warn"),
    ],
)
def test_devices_by_number(environment: dict[str, str], found: str) -> None:
    assert judged(cuda.any_devices, {}, environment)[0] == found
