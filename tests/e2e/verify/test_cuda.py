"""CUDA is in images for GPUs, and in no other: what the wheels brought is looked at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.e2e.support import tested as once
from tests.e2e.support.real import IMAGES, make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.real import Local, Project


DEVICES = """
[defaults]
devices = ["gpu"]
"""


LIBRARIES = {"a": "libcudart.so.12", "b": "libcublasLt.so.12", "c": "libnccl.so.2"}


def test_a_package_with_cuda_is_refused_in_an_image_for_cpus(
    local: Local, project: Project, tmp_path: Path
) -> None:
    """Frameworks are known by name; any other package may bring it, too."""
    images = ""
    for letter, library in LIBRARIES.items():
        make_wheel(tmp_path / "wheels", f"{project.name}{letter}", f"nvidia/lib/{library}")
        packages = '"1.0"]\npackages = ["NAME"]'
        own = once.ONE.replace('"1.0"]', packages).replace("REPOSITORY", "NAME")
        images += own.replace("NAME", f"NAME{letter}")
    project.write(images)
    options = ("build", "--all", "--json", "--wheels", str(tmp_path / "wheels"))
    done = local.buildkit(*options, folder=project.folder)
    assert done.code == 5
    for target, library in zip(done.json["targets"], LIBRARIES.values(), strict=True):
        said = json.dumps(target["error"])
        assert "CUDA in an image for CPUs, choose other packages: " in said
        assert f"nvidia/lib/{library}" in said

    project.write(DEVICES + images)
    for_gpus = local.buildkit(*options, folder=project.folder)
    assert for_gpus.code == 0, for_gpus.stderr


def test_a_framework_without_cuda_is_refused_in_an_image_for_gpus(
    local: Local, project: Project
) -> None:
    """As with a `+cpu` wheel that lies nearer than the one with CUDA."""
    (project.folder / "templates").mkdir()
    (project.folder / "templates" / "own.Dockerfile.j2").write_text(
        '{% extends "_script_mode.Dockerfile.j2" %}\n'
        '{% set handlers = "pytorch" %}\n'
        "{% set cuda_version = 'print()' %}\n"
    )
    project.write(DEVICES + IMAGES.replace('"basic"', '"own"'))
    done = local.buildkit("build", "--all", folder=project.folder)
    assert done.code == 5
    assert "the framework of this image for GPUs cannot use CUDA" in done.stderr
