"""Two checkouts of one project, with other files, that build the same target on one engine."""

from __future__ import annotations

import shutil
import signal
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.e2e.support import tested as once

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.parts import Engine
    from tests.e2e.support.real import Local, Project
    from tests.e2e.support.running import Running

FIRST = "#!/usr/bin/env python3\n"


def held(local: Local, run: Running) -> str:
    """The images that have a name of this run's."""
    name = f"reference=buildkit-build:*.{run.process.pid}.*"
    return local.docker("image", "ls", "--quiet", "--filter", name)


def build_both(local: Local, project: Project, folder: Path) -> None:
    """One begins to be tested, the other is built and tested meanwhile, under the same name.

    The run of the first stands still for that time.
    """
    project.write(once.ONE)
    other = replace(project, folder=folder)
    shutil.copytree(project.folder, other.folder)
    other.change("train", FIRST, f"{FIRST}# of another branch\n")
    command = ("build", "--all", "--json")
    with ExitStack() as stack:
        slow = local.start(*command, folder=project.folder)
        stack.callback(slow.kill)
        slow.says("testing")
        slow.process.send_signal(signal.SIGSTOP)
        quick = local.start(*command, folder=other.folder)
        stack.callback(quick.kill)
        done = quick.end()
        assert done.code == 0, done.stderr
        slow.process.send_signal(signal.SIGCONT)
        first = slow.end()
    assert first.code == 0, first.stderr
    images = {each.json["targets"][0]["image_id"] for each in (first, done)}
    assert len(images) == 2
    name = f"{project.name}:1.0-cpu-py311"
    assert local.docker("image", "inspect", "--format", "{{.Id}}", name) in images
    assert held(local, slow) == held(local, quick) == ""


def test_neither_loses_its_image(local: Local, project: Project, tmp_path: Path) -> None:
    build_both(local, project, tmp_path / "other")


def test_an_image_is_no_longer_held_once_a_run_follows_one_that_was_killed(
    local: Local, project: Project
) -> None:
    project.write(once.ONE)
    running = local.start("build", "--all", folder=project.folder)
    try:
        running.says("testing")
        assert held(local, running)
    finally:
        running.kill()
    assert held(local, running)
    assert local.buildkit("build", "--all", folder=project.folder).code == 0
    assert not held(local, running)


def test_neither_loses_its_image_in_the_classic_store(
    classic: tuple[Engine, Local], project: Project, tmp_path: Path
) -> None:
    build_both(classic[1], project, tmp_path / "other")
