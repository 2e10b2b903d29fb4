"""Builds that fail: what is said, and what becomes of the other targets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.support.parts import another_engine, small_disk
from tests.e2e.support.real import IMAGES
from tests.support.waiting import RUN_HANGS, wait_until

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.e2e.support.parts import Engine
    from tests.e2e.support.real import Local, Project

BASE = 'base = "python:3.11-slim-bookworm"'


@pytest.fixture
def three(project: Project) -> Project:
    """Three images. The second has a template of its own, `middle`, for the test to write."""
    parts = [IMAGES.replace("NAME", f"NAME{letter}") for letter in "abc"]
    project.write("".join([parts[0], parts[1].replace('"basic"', '"middle"'), parts[2]]))
    project.template("middle", "RUN true")
    return project


def targets(three: Project, document: Any) -> dict[str, Any]:
    return {target["id"].removeprefix(three.name)[0]: target for target in document["targets"]}


@pytest.mark.parametrize("jobs", [(), ("--jobs", "1")])
def test_a_step_that_fails_stops_its_own_target_only(
    local: Local, three: Project, jobs: tuple[str, ...]
) -> None:
    three.template("middle", "RUN echo first words; echo 'the reason is this'; exit 3")
    done = local.buildkit("build", "--all", "--push", "--json", *jobs, folder=three.folder)
    assert done.code == 5
    found = targets(three, done.json)
    assert {key: target["status"] for key, target in found.items()} == {
        "a": "published", "b": "failed", "c": "published",
    }  # fmt: skip
    error = found["b"]["error"]
    assert error["code"] == 5
    assert "exit code: 3" in error["message"]
    assert "RUN echo first words" in error["message"]
    assert error["details"] == "first words\nthe reason is this"
    assert f"error: {three.name}b-1.0-cpu-py311: the build failed" in done.stderr
    assert "3 targets: 2 published, 1 failed in " in done.stderr
    assert f"`buildkit build {three.name}b-1.0-cpu-py311`" in done.stderr
    assert local.manifest(f"{three.name}a", "1.0-cpu-py311") is not None
    assert local.manifest(f"{three.name}b", "1.0-cpu-py311") is None
    assert local.manifest(f"{three.name}c", "1.0-cpu-py311") is not None


def test_fail_fast_stops_at_the_first_failure(local: Local, three: Project) -> None:
    three.template("middle", "RUN exit 3")
    done = local.buildkit(
        "build", "--all", "--push", "--json", "--fail-fast", "--jobs", "1", folder=three.folder
    )
    assert done.code == 5
    found = targets(three, done.json)
    assert (found["b"]["status"], found["c"]["status"]) == ("failed", "not begun")
    assert "1 not begun" in done.stderr
    assert local.manifest(f"{three.name}c", "1.0-cpu-py311") is None


def test_a_base_that_cannot_be_had_is_named(local: Local, three: Project) -> None:
    text = (three.folder / "images.toml").read_text()
    (three.folder / "images.toml").write_text(
        text.replace(BASE, 'base = "nobody.localhost/none:1"', 1)
    )
    done = local.buildkit("build", "--all", "--json", folder=three.folder)
    assert done.code == 5
    found = targets(three, done.json)
    assert {key: target["status"] for key, target in found.items()} == {
        "a": "failed", "b": "tested", "c": "tested",
    }  # fmt: skip
    assert "the base image could not be pulled" in found["a"]["error"]["message"]
    assert "nobody.localhost/none:1" in found["a"]["error"]["message"]
    assert "`--substitute`" in found["a"]["error"]["hint"]


def test_a_huge_log_is_told_by_its_end(local: Local, project: Project) -> None:
    text = IMAGES.replace('"basic"', '"loud"')
    project.write(text)
    script = (
        "import sys; sys.stdout.write('x' * 5_000_000 + chr(10)); print('the end'); sys.exit(1)"
    )
    project.template("loud", f'RUN python -c "{script}"')
    done = local.buildkit("build", "--all", folder=project.folder)
    assert done.code == 5
    assert len(done.stderr) < 100_000


def test_no_engine_is_told_at_once(local: Local, project: Project, tmp_path: Path) -> None:
    """It takes no longer than what needs no engine, but for what a loaded machine makes of that."""
    began = time.monotonic()
    assert local.buildkit("build", "--all", "--plan", folder=project.folder).code == 0
    usual = time.monotonic() - began
    for host in (f"unix://{tmp_path}/nothing.sock", "tcp://127.0.0.1:1"):
        began = time.monotonic()
        done = local.buildkit("build", "--all", folder=project.folder, DOCKER_HOST=host)
        assert time.monotonic() - began < 20 * usual
        assert done.code == 5
        assert f"no Docker engine answers at {host}" in done.stderr
        assert "hint: start Docker" in done.stderr


def test_an_engine_that_stops_while_building(
    classic: tuple[Engine, Local], project: Project
) -> None:
    engine, there = classic
    project.write(IMAGES.replace('"basic"', '"slow"'))
    project.template(
        "slow", f"RUN echo begun; sleep {RUN_HANGS} # {project.name}: never from the cache"
    )
    running = there.start("build", "--all", folder=project.folder)
    try:
        running.says("RUN echo begun")
        engine.kill()
        done = running.end()
    finally:
        running.kill()
        engine.up()
    assert done.code == 5
    assert "the Docker engine stopped answering" in done.stderr
    assert "docker info" in done.stderr
    project.template("slow", "RUN true")
    assert there.buildkit("build", "--all", folder=project.folder).code == 0


def test_an_engine_that_stops_while_testing(
    classic: tuple[Engine, Local], project: Project
) -> None:
    engine, there = classic
    project.change(
        "train", "def main():", f"def main():\n    __import__('time').sleep({RUN_HANGS})"
    )
    running = there.start("build", "--all", folder=project.folder)
    try:
        running.says("  testing")
        wait_until(lambda: there.things() != set())
        engine.kill()
        done = running.end()
    finally:
        running.kill()
        engine.up()
    assert done.code == 5
    assert "docker info" in done.stderr
    assert not (project.folder / "dist" / project.id / "verified.json").exists()
    there.sweep()  # what a dead engine keeps nobody can remove


def test_a_full_disk_is_called_so(local: Local, project: Project, tmp_path: Path) -> None:
    project.write(IMAGES.replace('"basic"', '"big"'))
    project.template("big", "RUN head -c 3G /dev/zero > /file")
    with (
        small_disk(local, tmp_path / "disk", "700m") as disk,
        another_engine(local, "containerd", data=disk) as (_, there),
    ):
        done = there.buildkit("build", "--all", folder=project.folder)
        assert done.code == 5, done.stderr
        assert "the engine's disk is full" in done.stderr
        assert "docker system prune" in done.stderr
        there.docker("system", "prune", "--force")
        project.template("big", "RUN true")
        healed = there.buildkit("build", "--all", folder=project.folder)
        assert healed.code == 0, healed.stderr
