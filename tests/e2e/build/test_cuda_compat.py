"""NVIDIA's libraries for older drivers: out of one image into another, which starts with a program."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.real import Local, Project

CUDA = "nvidia/cuda:12.9.1-base-ubuntu24.04"
LIBRARY = "libcuda.so.575.57.08"
IMAGES = f"""
[image.NAME]
versions = ["1.0"]
base = "python:3.11-slim-bookworm"
template = "basic"
context = "program"
purposes = ["training"]
devices = ["gpu"]
cuda-compat = "{CUDA}"

[image.NAME.samples]
channels = {{ training = "data" }}
"""


def libraries(path: Path) -> Path:
    """The file system of an image like NVIDIA's."""
    folder = "usr/local/cuda-12.9/compat"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo(f"{folder}/{LIBRARY}")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"ELF"))
        link = tarfile.TarInfo(f"{folder}/libcuda.so.1")
        link.type, link.linkname = tarfile.SYMTYPE, LIBRARY
        archive.addfile(link)
    return path


def test_an_image_for_gpus_gets_the_libraries_and_trains_as_before(
    local: Local, project: Project, tmp_path: Path
) -> None:
    stand_in = f"{project.name}-libraries:1"
    local.docker("import", str(libraries(tmp_path / "libraries.tar")), stand_in)
    project.write(IMAGES)
    rules = f"{local.env.get('BUILDKIT_SUBSTITUTE', '')} {CUDA}={stand_in}".strip()
    done = local.buildkit("build", "--all", folder=project.folder, BUILDKIT_SUBSTITUTE=rules)
    assert done.code == 0, done.stderr
    image = done.stdout.strip()
    look = 'readlink /usr/local/cuda/compat/libcuda.so.1; echo "$$ ${LD_LIBRARY_PATH-unset}"'
    shown = local.docker("run", "--rm", image, "sh", "-c", look)
    assert shown.splitlines() == [LIBRARY, "1 unset"]
    started = local.docker("image", "inspect", "--format", "{{json .Config.Entrypoint}}", image)
    assert started == '["/usr/local/bin/cuda-compat","525"]'
