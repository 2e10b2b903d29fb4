"""Ctrl-C and SIGTERM at every stage: a quick end, nothing left, and the next run heals."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.e2e.parts import relay, wait_until
from tests.e2e.real import BUILDKIT, IMAGES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.real import Local, Project
    from tests.e2e.running import Result, Running

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
SECONDS = 15
SLEEP = "__import__('time').sleep(60)"
MEGABYTES = 24


def interrupted(running: Running, number: signal.Signals, folder: Path) -> Result:
    """Send the signal, to the tool alone; check how it ends."""
    running.process.send_signal(number)
    try:
        done = running.end(SECONDS)
    finally:
        running.kill()
    assert done.code == 130
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1] == "interrupted"
    assert "Traceback" not in done.stderr
    for path in (folder / "dist").glob("*/*"):
        assert not path.name.startswith("."), "a temporary file is left"
        if path.suffix == ".json":
            json.loads(path.read_text())
    return done


def records(project: Project) -> set[str]:
    return {path.stem for path in (project.folder / "dist" / project.id).glob("*.json")}


@SIGNALS
def test_while_building(local: Local, project: Project, number: signal.Signals) -> None:
    project.write(IMAGES.replace('"basic"', '"slow"'))
    project.template("slow", f"RUN echo begun; sleep 60 # {project.name}: never from the cache")
    running = local.start("build", "--all", folder=project.folder)
    running.says("RUN echo begun")
    interrupted(running, number, project.folder)
    assert records(project) == {"rendered"}
    project.template("slow", "RUN true")
    assert local.buildkit("build", "--all", folder=project.folder).code == 0


@SIGNALS
@pytest.mark.parametrize("program", ["train", "serve"])
def test_while_testing(
    local: Local, project: Project, number: signal.Signals, program: str
) -> None:
    """Also when the program does not care for SIGTERM."""
    good = (project.folder / "program" / program).read_text()
    project.change(program, "signal.signal(signal.SIGTERM,", f"{SLEEP}\n(")
    running = local.start("build", "--all", "--push", folder=project.folder)
    running.says("  testing")
    wait_until(lambda: f'"{program}"' in commands(local, project))
    interrupted(running, number, project.folder)
    assert records(project) == {"rendered", "built"}
    assert local.manifest(project.name, "1.0-cpu-py311") is None
    (project.folder / "program" / program).write_text(good)
    assert local.buildkit("build", "--all", "--push", folder=project.folder).code == 0


def commands(local: Local, project: Project) -> str:
    """What runs in containers of this project's image."""
    image = local.docker("images", "--quiet", "--no-trunc", project.name)
    found = local.docker("ps", "--no-trunc", "--format", "{{.Image}} {{.Command}}")
    return "\n".join(line for line in found.splitlines() if image and image in line)


@SIGNALS
@pytest.mark.parametrize("store", ["containerd", "classic"])
def test_while_pushing(
    request: pytest.FixtureRequest,
    local: Local,
    project: Project,
    number: signal.Signals,
    store: str,
) -> None:
    there = local if store == "containerd" else request.getfixturevalue("classic")[1]
    (project.folder / "program" / "noise").write_bytes(os.urandom(MEGABYTES * 1024 * 1024))
    assert there.buildkit("build", "--all", folder=project.folder).code == 0
    with relay(there.registry, rate=1024 * 1024) as slow:
        host = ("--registry", slow.address)
        running = there.start("push", "--all", *host, folder=project.folder)
        running.says("pushing ")
        wait_until(lambda: slow.passed > 512 * 1024)
        interrupted(running, number, project.folder)
        assert "published" not in records(project)
        assert local.manifest(project.name, "1.0-cpu-py311") is None
        slow.rate = None
        healed = there.buildkit("push", "--all", *host, folder=project.folder)
        assert healed.code == 0, healed.stderr
    assert local.manifest(project.name, "1.0-cpu-py311") is not None


def test_a_second_ctrl_c_does_not_break_the_cleaning(local: Local, project: Project) -> None:
    project.change("train", "def main():", f"def main():\n    {SLEEP}")
    running = local.start("build", "--all", folder=project.folder)
    running.says("  testing")
    wait_until(lambda: '"train"' in commands(local, project))
    for _ in range(3):
        running.process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    done = running.end(SECONDS)
    assert done.code == 130
    assert "Traceback" not in done.stderr


def test_typed_at_a_terminal(local: Local, project: Project) -> None:
    """There the signal goes to all processes of the foreground, not to the tool alone."""
    project.write(IMAGES.replace('"basic"', '"slow"'))
    project.template("slow", f"RUN echo begun; sleep 60 # {project.name}: never from the cache")
    terminal = pexpect.spawn(str(BUILDKIT), ["build", "--all"], cwd=str(project.folder),
                             env=local.env, encoding="utf-8", timeout=30)  # fmt: skip
    terminal.expect("RUN echo begun")
    terminal.sendintr()
    terminal.expect("interrupted")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
