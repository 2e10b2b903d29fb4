"""Odd places and odd company: other platforms, records and images that changed, two at once."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.support import tested as once
from tests.e2e.support.real import make_project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.real import Local, Project

BASE = 'base = "python:3.11-slim-bookworm"'
FOREIGN = """\
RUN python -c "import pathlib; path = pathlib.Path('/bin/sh').resolve(); data = bytearray(path.read_bytes()); data[18] = 183; new = path.with_name('new'); new.write_bytes(data); new.chmod(0o755); new.replace(path)"
"""
"""The shell becomes a program for arm64, as far as the kernel looks: the header's e_machine."""
COPIES = """\
FROM scratch AS wheels
FROM {{ target.base }}
COPY . /opt/program/
ENV PATH=/opt/program:$PATH
"""


def test_two_builds_of_one_target_at_once(local: Local, project: Project) -> None:
    project.write(once.ONE)
    both = [local.start("build", "--all", "--push", folder=project.folder) for _ in range(2)]
    ends = [running.end() for running in both]
    assert [done.code for done in ends] == [0, 0], ends
    assert ends[0].stdout == ends[1].stdout
    found = local.manifest(project.name, "1.0-cpu-py311")
    assert found is not None
    assert ends[0].stdout.splitlines()[1].endswith(found[1])


def test_an_image_that_was_removed_after_its_test(local: Local, project: Project) -> None:
    project.write(once.ONE)
    assert local.buildkit("build", "--all", folder=project.folder).code == 0
    local.docker("rmi", "--force", f"{project.name}:1.0-cpu-py311")
    done = local.buildkit("push", "--all", folder=project.folder)
    assert done.code == 5
    assert "image not found in the engine" in done.stderr
    assert "hint: build the image again with `buildkit build`; if another checkout" in done.stderr
    again = local.buildkit("build", "--all", "--push", folder=project.folder)
    assert again.code == 0, again.stderr
    assert "the engine does not have the image any more" in again.stderr


def test_records_that_make_no_sense_cost_their_own_target_only(
    local: Local, tested: Project
) -> None:
    """All that may be in such a file is a unit test of records."""
    id_ = f"{tested.name}-{once.TAGS[0]}"
    for path in (tested.folder / "dist" / id_).glob("*.json"):
        path.write_text("{half")
    done = local.buildkit("push", "--all", "--json", folder=tested.folder)
    assert done.code == 5
    assert [target["status"] for target in done.json["targets"]] == ["failed", "published"]
    assert f"{id_}/built.json" in done.json["targets"][0]["error"]["message"]
    healed = local.buildkit("build", "--all", "--push", folder=tested.folder)
    assert healed.code == 0, healed.stderr


def test_a_folder_with_an_odd_name_and_none_for_temporary_files(
    local: Local, tmp_path: Path
) -> None:
    folder = tmp_path / "a, b=c $x ${y} %{z} 'q'"
    folder.mkdir()
    project = make_project(folder)
    project.write(once.ONE)
    done = local.buildkit("build", "--all", "--push", folder=folder, TMPDIR="/nonexistent")
    assert done.code == 0, done.stderr
    assert local.buildkit("uri", project.id, folder=folder).code == 0


def test_a_platform_that_cannot_run_here(local: Local, project: Project, tmp_path: Path) -> None:
    """A step of the build, then a program of the image: neither hangs, both are told."""
    architecture = local.docker("version", "--format", "{{.Server.Arch}}")
    if architecture != "amd64":
        pytest.skip(f"the engine is for {architecture}")
    base = f"buildkit.local/{project.name}:foreign"
    recipe = f"FROM python:3.11-slim-bookworm\n{FOREIGN}"
    plan = local.buildkit("build", "--all", "--bake-plan", folder=project.folder).json
    (target,) = plan["target"].values()
    contexts = [f"--build-context={name}={where}" for name, where in target["contexts"].items()]
    subprocess.run(["docker", "buildx", "build", "--quiet", "--tag", base, *contexts, "-"],
                   env={**local.env, "TMPDIR": str(tmp_path)}, input=recipe, text=True, check=True, capture_output=True)  # fmt: skip
    container = local.docker("create", base)
    local.docker("export", "--output", str(tmp_path / "foreign.tar"), container)
    local.docker("rm", container)
    local.docker("rmi", "--force", base)
    local.docker("import", "--platform", "linux/arm64", "--change", "ENV PATH=/usr/local/bin:/usr/bin:/bin",
                 str(tmp_path / "foreign.tar"), base)  # fmt: skip
    try:
        foreign = once.ONE.replace(BASE, f'platform = "linux/arm64"\nbase = "{base}"')
        substitute = ("--substitute", f"{base}={base}")
        # A template without steps, whose image can be built for any platform.
        (project.folder / "templates").mkdir()
        (project.folder / "templates" / "copies.Dockerfile.j2").write_text(COPIES)
        project.write(foreign.replace('"basic"', '"copies"'))
        project.change("train", "#!/usr/bin/env python3", "#!/bin/sh")
        tested = local.buildkit("build", "--all", "--json", *substitute, folder=project.folder)
        assert tested.code == 6
        assert "exec format error" in json.dumps(tested.json)
        assert "RUN-01" in tested.json["targets"][0]["error"]["message"]
        project.write(foreign)
        built = local.buildkit("build", "--all", *substitute, folder=project.folder)
        assert built.code == 5
        assert "exec format error" in built.stderr
    finally:
        local.docker("rmi", "--force", base)
