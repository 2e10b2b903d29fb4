"""The same image from each build: on another day, from another checkout, without the cache."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.e2e.support import tested as once

if TYPE_CHECKING:
    from tests.e2e.support.parts import Engine
    from tests.e2e.support.real import Local, Project


@pytest.fixture
def project(project: Project) -> Project:
    """With an image that only trains: its test is no matter here."""
    project.write(once.ONE)
    return project


def use(project: Project, template: str) -> None:
    project.write(once.ONE.replace('template = "basic"', f'template = "{template}"'))


def built(there: Local, project: Project) -> str:
    done = there.buildkit("build", "--all", "--no-cache", "--json", folder=project.folder)
    assert done.code == 0, done.stderr
    (target,) = done.json["targets"]
    return str(target["image_id"])


def age(project: Project) -> None:
    """Give the files of the program other times, and permissions as with another umask."""
    for path in (project.folder / "program").iterdir():
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(path.stat().st_mode ^ 0o020)


def test_two_builds_make_one_image_with_the_time_of_its_base(
    local: Local, project: Project
) -> None:
    first = built(local, project)
    age(project)
    assert built(local, project) == first
    image = f"{project.name}:1.0-cpu-py311"
    base = local.env["BUILDKIT_SUBSTITUTE"].split()[0].partition("=")[2]
    times = [local.docker("inspect", "--format", "{{.Created}}", each) for each in (image, base)]
    assert len({time[: len("2026-11-30T00:00:00")] for time in times}) == 1


def test_the_classic_store_makes_one_image_too(
    classic: tuple[Engine, Local], project: Project
) -> None:
    _, there = classic
    first = built(there, project)
    age(project)
    assert built(there, project) == first


def test_a_time_of_the_user_is_that_of_the_image(local: Local, project: Project) -> None:
    done = local.buildkit("build", "--all", folder=project.folder, SOURCE_DATE_EPOCH="1700000000")
    assert done.code == 0, done.stderr
    image = f"{project.name}:1.0-cpu-py311"
    assert local.docker("inspect", "--format", "{{.Created}}", image) == "2023-11-14T22:13:20Z"


def test_an_image_that_is_reproducible_is_named_by_its_digest(
    local: Local, project: Project
) -> None:
    done = local.buildkit("verify-reproducible", "--all", folder=project.folder)
    assert done.code == 0, done.stderr
    assert done.stdout == f"{project.id}  {built(local, project)}\n"


def test_a_step_that_writes_the_date_is_named_with_its_file(local: Local, project: Project) -> None:
    project.template("dated", "RUN date +%s%N > /x")
    use(project, "dated")
    done = local.buildkit("verify-reproducible", "--all", "--json", folder=project.folder)
    assert done.code == 7, done.stderr
    (target,) = done.json["targets"]
    assert target["status"] == "different"
    assert target["configuration"] == []
    (layer,) = target["layers"]
    assert "date +%s%N > /x" in layer["instruction"]
    fields = {(each["name"], each["field"]) for each in layer["differences"]}
    assert ("/x", "content") in fields
    assert {name for name, _ in fields} == {"/x"}
    nothing_is_kept(local, project)


def test_a_copy_that_keeps_what_a_checkout_has_is_named_in_the_classic_store_too(
    classic: tuple[Engine, Local], project: Project
) -> None:
    _, there = classic
    project.template("copies", "COPY train /opt/copied/train")
    use(project, "copies")
    done = there.buildkit("verify-reproducible", "--all", "--json", folder=project.folder)
    assert done.code == 7, done.stderr
    (target,) = done.json["targets"]
    (layer,) = target["layers"]
    assert "COPY train /opt/copied/train" in layer["instruction"]
    fields = {(each["name"], each["field"]) for each in layer["differences"]}
    assert {("/opt/copied/train", "mtime"), ("/opt/copied/train", "mode")} <= fields
    nothing_is_kept(there, project)


def nothing_is_kept(there: Local, project: Project) -> None:
    """No image of the target, and no name of a run that has ended."""
    assert there.docker("image", "ls", "--quiet", project.name) == ""
    assert (
        there.docker("image", "ls", "--quiet", "--filter", f"label=buildkit.target={project.id}")
        == ""
    )
