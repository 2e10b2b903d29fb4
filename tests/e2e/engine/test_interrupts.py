"""Ctrl-C, SIGTERM and SIGHUP at every stage: an end in steps, nothing left, and the next run heals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pexpect
import pytest

from buildkit.support.errors import interruption
from tests.e2e.support import tested as once
from tests.e2e.support.parts import relay
from tests.e2e.support.real import BUILDKIT
from tests.support.thorough import THOROUGH
from tests.support.waiting import RUN_HANGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.e2e.support.parts import Engine
    from tests.e2e.support.real import Local, Project
    from tests.e2e.support.running import Result, Running

    Trouble = Callable[[Engine], AbstractContextManager[None]]

INTERRUPTED = {"error": interruption().facts}
SLEEP = "__import__('time').sleep(600)"


def interrupted(running: Running, number: signal.Signals, folder: Path) -> Result:
    """Send the signal, to the tool alone; check how it ends."""
    running.process.send_signal(number)
    done = running.end()
    assert done.code == 130, done.stderr
    assert done.stdout == "" or done.json == INTERRUPTED
    assert done.stderr.splitlines()[-1] == "interrupted"
    assert "Traceback" not in done.stderr
    for path in (folder / "dist").glob("*/*"):
        assert not path.name.startswith("."), "a temporary file is left"
        if path.suffix == ".json":
            json.loads(path.read_text())
    return done


def records(project: Project) -> set[str]:
    return {path.stem for path in (project.folder / "dist" / project.id).glob("*.json")}


def slow_build(project: Project) -> None:
    project.write(once.ONE.replace('"basic"', '"slow"'))
    project.template("slow", f"RUN echo begun; sleep 600 # {project.name}: never from the cache")


def test_while_building(local: Local, project: Project) -> None:
    slow_build(project)
    running = local.start("build", "--all", folder=project.folder)
    running.says("RUN echo begun")
    interrupted(running, signal.SIGTERM, project.folder)
    assert records(project) == {"rendered"}


def test_while_testing(local: Local, project: Project) -> None:
    """Also when the program does not care for SIGTERM."""
    for program, number in (("train", signal.SIGINT), ("serve", signal.SIGTERM)):
        good = (project.folder / "program" / program).read_text()
        project.change(program, "signal.signal(signal.SIGTERM,", f"{SLEEP}\n(")
        running = local.start("build", "--all", "--push", "--json", folder=project.folder)
        running.until(partial(runs, local, project, program))
        interrupted(running, number, project.folder)
        assert records(project) == {"rendered", "built"}
        held = f"reference=buildkit-build:*.{running.process.pid}.*"
        assert local.docker("image", "ls", "--quiet", "--filter", held) == ""
        assert local.manifest(project.name, "1.0-cpu-py311") is None
        (project.folder / "program" / program).write_text(good)
    assert local.buildkit("build", "--all", "--push", folder=project.folder).code == 0


def runs(local: Local, project: Project, program: str) -> bool:
    """Whether a container of this project's image runs this program."""
    image = local.docker("images", "--quiet", "--no-trunc", project.name)
    found = local.docker("ps", "--no-trunc", "--format", "{{.Image}} {{.Command}}")
    return any(image and image in line and f'"{program}"' in line for line in found.splitlines())


def test_while_pushing(local: Local, tested: Project) -> None:
    cut_off(local, tested, signal.SIGINT)


def test_while_pushing_from_the_classic_store(
    classic: tuple[Engine, Local], tested: Project
) -> None:
    """Where the engine hands out the whole image."""
    _, there = classic
    one = f"{tested.name}-{once.TAGS[0]}"
    assert there.buildkit("build", one, folder=tested.folder).code == 0
    cut_off(there, tested, signal.SIGTERM)


def cut_off(there: Local, tested: Project, number: signal.Signals) -> None:
    """A push that is interrupted while layers are sent, and another one."""
    one = f"{tested.name}-{once.TAGS[0]}"
    with relay(there.registry, rate=1024 * 1024) as slow:
        push = ("push", one, "--registry", slow.address)
        running = there.start(*push, folder=tested.folder)
        running.until(lambda: slow.passed > 512 * 1024)
        interrupted(running, number, tested.folder)
        assert not (tested.folder / "dist" / one / "published.json").exists()
        assert there.manifest(tested.repository, once.TAGS[0]) is None
        slow.rate = None
        healed = there.buildkit(*push, folder=tested.folder)
        assert healed.code == 0, healed.stderr
    assert there.manifest(tested.repository, once.TAGS[0]) is not None


def test_more_signals_do_not_break_the_cleaning(local: Local, project: Project) -> None:
    project.change("train", "def main():", f"def main():\n    {SLEEP}")
    running = local.start("build", "--all", folder=project.folder)
    running.until(lambda: runs(local, project, "train"))
    while not running.has_ended():
        running.process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    done = running.end()
    assert done.code == 130
    assert done.stderr.splitlines()[-1] == "interrupted"
    assert "Traceback" not in done.stderr


def test_typed_at_a_terminal(local: Local, project: Project) -> None:
    """There the signal goes to all processes of the foreground, not to the tool alone."""
    slow_build(project)
    terminal = pexpect.spawn(str(BUILDKIT), ["build", "--all"], cwd=str(project.folder),
                             env=local.env, encoding="utf-8", timeout=RUN_HANGS)  # fmt: skip
    terminal.expect("RUN echo begun")
    terminal.sendintr()
    terminal.expect("interrupted")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130


def test_a_terminal_that_is_closed(local: Local, project: Project) -> None:
    """SIGHUP comes then, and nobody reads what is said."""
    project.change("train", "def main():", f"def main():\n    {SLEEP}")
    terminal = pexpect.spawn(str(BUILDKIT), ["build", "--all"], cwd=str(project.folder),
                             env=local.env, encoding="utf-8", timeout=RUN_HANGS)  # fmt: skip
    terminal.expect("  testing")
    until = time.monotonic() + RUN_HANGS
    while not runs(local, project, "train"):
        assert time.monotonic() < until
        time.sleep(0.05)
    os.close(terminal.child_fd)
    terminal.wait()
    assert terminal.exitstatus == 130


@contextmanager
def stopped(engine: Engine) -> Iterator[None]:
    """The engine takes calls and does not answer them, as one whose disk is lost."""
    number = int((engine.state / "run" / "docker.pid").read_text())
    os.kill(number, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(number, signal.SIGCONT)


@contextmanager
def gone(engine: Engine) -> Iterator[None]:
    engine.kill()
    try:
        yield
    finally:
        engine.up()


TROUBLES = {"hangs": stopped, "gone": gone} if THOROUGH else {"hangs": stopped}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_while_testing_on_an_engine_that(
    classic: tuple[Engine, Local], project: Project, trouble: Trouble
) -> None:
    """What is left there is named, with commands that remove it."""
    engine, there = classic
    project.change("train", "def main():", f"def main():\n    {SLEEP}")
    running = there.start("build", "--all", folder=project.folder)
    running.until(lambda: runs(there, project, "train"))
    with trouble(engine):
        done = interrupted(running, signal.SIGTERM, project.folder)
    where = there.env["DOCKER_HOST"]
    assert f"the engine at {where} does not answer; leftovers of this run will be" in done.stderr
    assert there.things() != set()
    for line in done.stderr.splitlines():
        if line.startswith("  docker "):
            subprocess.run(["bash", "-c", line], env=there.env, check=True, capture_output=True)
    assert there.things() == set()


def test_while_building_on_an_engine_that_hangs(
    classic: tuple[Engine, Local], project: Project
) -> None:
    """It may hold an image of the run by now, under the run's own name for it."""
    engine, there = classic
    slow_build(project)
    running = there.start("build", "--all", folder=project.folder)
    running.says("RUN echo begun")
    with stopped(engine):
        done = interrupted(running, signal.SIGTERM, project.folder)
    assert "does not answer; leftovers of this run will be" in done.stderr
    assert "docker image ls --filter 'reference=buildkit-build:" in done.stderr
    assert there.docker("image", "ls", "--quiet", "buildkit-build") == ""
