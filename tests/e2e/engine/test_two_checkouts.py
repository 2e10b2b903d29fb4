"""Two checkouts of one project, with other files, that build the same target on one engine."""

from __future__ import annotations

import shutil
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.e2e.support import tested as once
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.parts import Engine
    from tests.e2e.support.real import Local, Project

FIRST = "#!/usr/bin/env python3\n"


def held(local: Local) -> set[str]:
    """The names that images have while runs are at work."""
    return set(local.docker("image", "ls", "--quiet", "buildkit-build").splitlines())


def build_both(local: Local, project: Project, folder: Path) -> None:
    """One begins to be tested, the other is built and tested meanwhile, under the same name.

    The run of the first stands still for that time.
    """
    project.write(once.ONE)
    other = replace(project, folder=folder)
    shutil.copytree(project.folder, other.folder)
    other.change("train", FIRST, f"{FIRST}# of another branch\n")
    running = local.start("build", "--all", "--json", folder=project.folder)
    try:
        running.says("testing")
        running.process.send_signal(signal.SIGSTOP)
        done = local.buildkit("build", "--all", "--json", folder=other.folder)
        running.process.send_signal(signal.SIGCONT)
        assert done.code == 0, done.stderr
        first = running.end(HANG)
    finally:
        running.kill()
    assert first.code == 0, first.stderr
    images = {each.json["targets"][0]["image_id"] for each in (first, done)}
    assert len(images) == 2
    name = f"{project.name}:1.0-cpu-py311"
    assert local.docker("image", "inspect", "--format", "{{.Id}}", name) in images
    assert held(local) == set()


def test_neither_loses_its_image(local: Local, project: Project, tmp_path: Path) -> None:
    build_both(local, project, tmp_path / "other")


def test_an_image_is_no_longer_held_once_a_run_follows_one_that_was_killed(
    local: Local, project: Project
) -> None:
    project.write(once.ONE)
    running = local.start("build", "--all", folder=project.folder)
    try:
        running.says("testing")
        name = f"buildkit-build:*.{running.process.pid}.*"
        mine = ("image", "ls", "--quiet", "--filter", f"reference={name}")
        assert local.docker(*mine)
    finally:
        running.kill()
    assert local.docker(*mine)
    assert local.buildkit("build", "--all", folder=project.folder).code == 0
    assert not local.docker(*mine)


def test_neither_loses_its_image_in_the_classic_store(
    classic: tuple[Engine, Local], project: Project, tmp_path: Path
) -> None:
    build_both(classic[1], project, tmp_path / "other")
