"""A TensorFlow that was compiled for CUDA does not have CUDA's libraries for that."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def version(
    monkeypatch: pytest.MonkeyPatch, packages: Path, library: str | None, **build: str
) -> str:
    tensorflow: Any = ModuleType("tensorflow")
    tensorflow.sysconfig = SimpleNamespace(get_build_info=lambda: build)
    monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
    monkeypatch.delitem(sys.modules, "buildkit_runtime.cuda_tensorflow", raising=False)
    module = importlib.import_module("buildkit_runtime.cuda_tensorflow")
    monkeypatch.setattr(module, "find_library", lambda _name: library)
    monkeypatch.setattr(module, "getsitepackages", lambda: [str(packages)])
    found: str = module.version()
    return found


def test_cuda_comes_with_pip_or_with_the_system(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert version(monkeypatch, tmp_path, "libcudnn.so.9", cuda_version="12.5.1") == "12.5.1"
    libraries = tmp_path / "nvidia/cudnn/lib"
    libraries.mkdir(parents=True)
    (libraries / "libcudnn.so.9").touch()
    assert version(monkeypatch, tmp_path, None, cuda_version="12.5.1") == "12.5.1"


def test_a_tensorflow_without_libraries_or_for_cpus_has_no_cuda(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert version(monkeypatch, tmp_path, None, cuda_version="12.5.1") == ""
    assert version(monkeypatch, tmp_path, "libcudnn.so.9") == ""
