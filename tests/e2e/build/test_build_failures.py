"""Builds that fail: what is said, and what becomes of the other targets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.e2e.support import tested as once
from tests.e2e.support.parts import another_engine, small_disk
from tests.e2e.support.real import IMAGES
from tests.support.waiting import RUN_HANGS, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.parts import Engine
    from tests.e2e.support.real import Local, Project

OTHERS = """
[image.NAME-base]
versions = ["1.0"]
base = "nobody.localhost/none:1"
template = "basic"
context = "program"

[image.NAME-step]
versions = ["1.0"]
base = "python:3.11-slim-bookworm"
template = "step"
context = "program"
"""


def test_a_build_that_fails_stops_its_own_target_only(local: Local, tested: Project) -> None:
    tested.write(OTHERS + once.IMAGES)
    tested.template("step", "RUN echo first words; echo 'the reason is this'; exit 3")
    done = local.buildkit("build", "--all", "--push", "--json", folder=tested.folder)
    assert done.code == 5
    base, step, *good = done.json["targets"]
    assert [each["status"] for each in (base, step)] == ["failed", "failed"]
    assert [each["status"] for each in good] == ["published", "published"]
    assert step["error"]["code"] == 5
    assert "exit code: 3" in step["error"]["message"]
    assert "RUN echo first words" in step["error"]["message"]
    assert step["error"]["details"] == "first words\nthe reason is this"
    assert "the base image could not be pulled" in base["error"]["message"]
    assert "nobody.localhost/none:1" in base["error"]["message"]
    assert "`--substitute`" in base["error"]["hint"]
    assert f"error: {step['id']}: the build failed" in done.stderr
    assert "4 targets: 2 failed, 2 published in " in done.stderr
    assert f"`buildkit build {base['id']} {step['id']}`" in done.stderr
    assert local.manifest(tested.repository, "1.0-cpu-py311") is not None
    assert local.tags(f"{tested.name}-step") == set()


def test_fail_fast_stops_at_the_first_failure(local: Local, tested: Project) -> None:
    step = "[image.NAME-step]" + OTHERS.partition("[image.NAME-step]")[2]
    tested.write(step + once.IMAGES)
    tested.template("step", "RUN exit 3")
    (tested.folder / "program" / "noise").write_text("what is built already is not built again")
    done = local.buildkit(
        "build", "--all", "--push", "--json", "--fail-fast", "--jobs", "1", folder=tested.folder
    )
    assert done.code == 5
    found = [each["status"] for each in done.json["targets"]]
    assert found == ["failed", "not begun", "not begun"]
    assert "2 not begun" in done.stderr
    assert local.tags(tested.repository) == set()


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
    assert local.buildkit("build", "--all", "--bake-plan", folder=project.folder).code == 0
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
    assert "buildkit doctor" in done.stderr


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
    assert "buildkit doctor" in done.stderr
    assert not (project.folder / "dist" / project.id / "verified.json").exists()
    there.sweep()  # what a dead engine keeps nobody can remove


def test_a_full_disk_is_called_so(local: Local, project: Project, tmp_path: Path) -> None:
    project.write(once.ONE.replace('"basic"', '"big"'))
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
