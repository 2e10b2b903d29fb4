"""Clauses of accelerators and clusters that are judged by an image's files: GPU, MPI, EFA."""

from __future__ import annotations

import re

from buildkit.contract.checks import Broken, Doubtful, Unseen, check
from buildkit.contract.image import files
from buildkit.contract.image.basics import StillImage, still

LIBRARY_FOLDERS = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/lib",
)
DRIVER_LIBRARIES = ("libcuda.so.1", "libcuda.so", "libnvidia-ml.so.1", "libnvidia-ml.so")
DRIVER_PACKAGES = ("nvidia-driver", "nvidia-kernel", "nvidia-headless", "libnvidia-compute")
DRIVER_PROGRAM = ("/usr/bin/nvidia-smi", "/usr/local/bin/nvidia-smi")
NO_DRIVER = re.compile(r"/(compat|stubs)/")
NEWEST_CUDA = (13, 0)
"""Of the newest driver that hosting offers (GPU-03)."""
CUDA = re.compile(r"(\d+)\.(\d+)")
REQUIRED_CUDA = re.compile(r"cuda>=(\d+\.\d+)")
COMPAT = ("/usr/local/cuda/compat", "/usr/local/cuda-{version}/compat")
SITE_FOLDERS = tuple(
    f"{prefix}/lib/python{version}/{folder}"
    for prefix, folder in (
        ("/usr/local", "site-packages"),
        ("/usr/local", "dist-packages"),
        ("/opt/conda", "site-packages"),
        ("/usr", "dist-packages"),
    )
    for version in ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3")
)


@check("IMG-09", still)
def no_driver(image: StillImage) -> None:
    """No package of the NVIDIA driver, and no nvidia-smi."""
    for name in files.packages(image.container):
        if name.startswith(DRIVER_PACKAGES):
            raise Broken(f"the package {name} is installed")
    _no_driver_program(image)


@check("GPU-01", still)
def no_driver_library(image: StillImage) -> None:
    """No libcuda.so or libnvidia-ml.so in the standard folders, except links to compat or stubs."""
    for folder in LIBRARY_FOLDERS:
        for name in DRIVER_LIBRARIES:
            path = files.real(image.container, f"{folder}/{name}")
            if path is not None and not NO_DRIVER.search(path):
                raise Broken(f"the image holds {path} of the NVIDIA driver")
    _no_driver_program(image)


@check("GPU-02", still)
def asks_for_devices(image: StillImage) -> None:
    """NVIDIA_VISIBLE_DEVICES and NVIDIA_DRIVER_CAPABILITIES with compute, or all."""
    environment = image.view.environment
    if environment.get("NVIDIA_VISIBLE_DEVICES", "") in ("", "void", "none"):
        raise Broken("NVIDIA_VISIBLE_DEVICES is not set")
    if not {"all", "compute"} & set(environment.get("NVIDIA_DRIVER_CAPABILITIES", "").split(",")):
        raise Broken("NVIDIA_DRIVER_CAPABILITIES does not contain `compute`")


@check("GPU-03", still)
def cuda_suits_driver(image: StillImage) -> None:
    """CUDA_VERSION is at most 13.0, that of the newest driver, unless cuda-compat is installed."""
    version = image.view.environment.get("CUDA_VERSION", "")
    required = REQUIRED_CUDA.search(image.view.environment.get("NVIDIA_REQUIRE_CUDA", ""))
    found = CUDA.match(version) or (CUDA.match(required[1]) if required else None)
    if found is None:
        raise Unseen("no variable of the image gives its CUDA version")
    major, minor = int(found[1]), int(found[2])
    if (major, minor) <= NEWEST_CUDA or _has_compat(image, f"{major}.{minor}"):
        return
    newer = (
        f"CUDA {major}.{minor} is newer than {NEWEST_CUDA[0]}.0 of the newest driver, and "
        "cuda-compat is not installed"
    )
    if major > NEWEST_CUDA[0]:
        raise Broken(newer)
    raise Doubtful(f"{newer}: newer CUDA features fail")


@check("DIST-06", still)
def has_mpi(image: StillImage) -> None:
    """The image holds sshd and mpirun; mpi4py and paramiko in the usual folders of Python."""
    if files.real(image.container, "/usr/sbin/sshd") is None:
        raise Broken("/usr/sbin/sshd does not exist")
    if not files.on_path(image.container, image.view.environment, "mpirun"):
        raise Broken("mpirun is not on PATH")
    if (
        files.real(image.container, "/run/sshd") is None
        and files.real(image.container, "/var/run/sshd") is None
    ):
        raise Doubtful("/var/run/sshd does not exist: does a program create it?")
    for module in ("mpi4py", "paramiko"):
        if not any(files.real(image.container, f"{folder}/{module}") for folder in SITE_FOLDERS):
            raise Doubtful(f"{module} is not in the usual folders of Python")


@check("DIST-08", still)
def has_efa(image: StillImage) -> None:
    """fi_info on PATH or in /opt/amazon/efa/bin, and libfabric."""
    if not (
        files.on_path(image.container, image.view.environment, "fi_info")
        or files.real(image.container, "/opt/amazon/efa/bin/fi_info")
    ):
        raise Broken("fi_info is neither on PATH nor in /opt/amazon/efa/bin")
    folders = ("/opt/amazon/efa/lib", "/opt/amazon/efa/lib64", *LIBRARY_FOLDERS)
    if not any(files.real(image.container, f"{folder}/libfabric.so.1") for folder in folders):
        raise Broken("libfabric.so.1 is in none of the usual folders")


def _no_driver_program(image: StillImage) -> None:
    for path in DRIVER_PROGRAM:
        if files.real(image.container, path):
            raise Broken(f"the image holds {path} of the NVIDIA driver")


def _has_compat(image: StillImage, version: str) -> bool:
    folders = [each.format(version=version) for each in COMPAT]
    return any(files.real(image.container, f"{each}/libcuda.so.1") for each in folders)
