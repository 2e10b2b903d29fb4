"""Which CUDA TensorFlow can use: asked when an image for GPUs is built."""

from __future__ import annotations

from ctypes.util import find_library
from pathlib import Path
from site import getsitepackages

from tensorflow import sysconfig


def version() -> str:
    """The version of CUDA, or an empty text if TensorFlow or CUDA's libraries are for CPUs only.

    TensorFlow reports the CUDA that it was compiled for even if the libraries are not installed.
    """
    return _compiled_for() if _has_libraries() else ""


def _compiled_for() -> str:
    return str(sysconfig.get_build_info().get("cuda_version", ""))


def _has_libraries() -> bool:
    """The system's packages install cuDNN, or pip does beside TensorFlow."""
    installed = Path(getsitepackages()[0]).glob("nvidia/cudnn/lib/*")
    return find_library("cudnn") is not None or any(installed)
