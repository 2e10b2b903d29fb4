"""Clauses of accelerators and clusters that are judged by an image's files: GPU, MPI, EFA."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful, Unseen, check
from buildkit.contract.image import files
from buildkit.contract.image.basics import StillImage, still
from buildkit.contract.signs import Sign
from buildkit.model.features import Feature

if TYPE_CHECKING:
    from collections.abc import Iterator

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
TORCH = re.compile(rb"^__version__ = '([0-9]{1,3})\.([0-9]{1,3})", re.MULTILINE)
WITH_TORCHRUN = (1, 10)
LAUNCHED = {Feature.SCRIPT_MODE, Feature.SDK_V3}
"""With these, the SDK or a toolkit calls torchrun by its name."""
NO_DRIVER = re.compile(r"/(compat|stubs)/")


@check("IMG-09", still)
def no_driver(image: StillImage) -> None:
    """No package of the NVIDIA driver, and no nvidia-smi."""
    for name in files.packages(image.container):
        if name.startswith(DRIVER_PACKAGES):
            raise Broken(f"the package {name} is installed", Sign.DRIVER)
    _no_driver_program(image)


@check("GPU-01", still)
def no_driver_library(image: StillImage) -> None:
    """No libcuda.so or libnvidia-ml.so in the standard folders, except links to compat or stubs."""
    for folder in LIBRARY_FOLDERS:
        for name in DRIVER_LIBRARIES:
            path = files.real(image.container, f"{folder}/{name}")
            if path is not None and not NO_DRIVER.search(path):
                raise Broken(f"the image holds {path} of the NVIDIA driver", Sign.DRIVER)
    _no_driver_program(image)


@check("GPU-02", still)
def asks_for_devices(image: StillImage) -> None:
    """NVIDIA_VISIBLE_DEVICES and NVIDIA_DRIVER_CAPABILITIES with compute, or all."""
    environment = image.view.environment
    if environment.get("NVIDIA_VISIBLE_DEVICES", "") in ("", "void", "none"):
        raise Broken("NVIDIA_VISIBLE_DEVICES is not set")
    if not {"all", "compute"} & set(environment.get("NVIDIA_DRIVER_CAPABILITIES", "").split(",")):
        raise Broken("NVIDIA_DRIVER_CAPABILITIES does not contain `compute`")


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
    folders = [*files.python_folders(image.container, image.view.environment)]
    for module in ("mpi4py", "paramiko"):
        if not any(files.real(image.container, f"{folder}/{module}") for folder in folders):
            raise Doubtful(f"{module} is not in the usual folders of Python")


@check("DIST-07", still)
def has_torchrun(image: StillImage) -> None:
    """Where launchers come from outside (script-mode, sdk-v3), an image with torch has torchrun."""
    if not image.trains or not LAUNCHED & image.features:
        raise Unseen("the image does not promise script-mode or sdk-v3 for training")
    torch = next(_torch(image), None)
    if torch is None:
        raise Unseen("no torch of 1.10 or later is in the usual folders of Python")
    if files.on_path(image.container, image.view.environment, "torchrun") is None:
        raise Broken(f"the image holds {torch}, but torchrun is not on PATH")


def _torch(image: StillImage) -> Iterator[str]:
    """Where torch is installed, in a version that installs torchrun."""
    for folder in files.python_folders(image.container, image.view.environment):
        path = files.real(image.container, f"{folder}/torch/version.py")
        found = TORCH.search(files.head(image.container, path))
        if found and (int(found[1]), int(found[2])) >= WITH_TORCHRUN:
            yield f"{folder}/torch"


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
            raise Broken(f"the image holds {path} of the NVIDIA driver", Sign.DRIVER)
