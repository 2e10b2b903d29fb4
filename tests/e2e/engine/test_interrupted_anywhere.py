"""Signals at random moments of a build, a test and a push: an end by itself, nothing left, and one more run.

BUILDKIT_INTERRUPTS sets how many moments are tried: `make interrupts` tries 100.
"""

from __future__ import annotations

import os
import random
import signal
import time
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from buildkit.support.errors import interruption
from tests.e2e.support.parts import processes_with
from tests.e2e.support.real import Local, Project, make_project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INTERRUPTS = int(os.environ.get("BUILDKIT_INTERRUPTS", "1"))
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
COMMANDS = {
    "build": ("build", "--all", "--retest", "--json"),
    "test": ("test", "--all", "--profile", "smoke", "--json"),
    "push": ("push", "--all", "--json"),
}


@pytest.fixture(scope="module")
def whole(local: Local, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """How long each command that is tried takes here if nobody interrupts it, in seconds."""
    project = make_project(tmp_path_factory.mktemp("whole"))
    found = {}
    for name, command in islice(COMMANDS.items(), INTERRUPTS):
        began = time.monotonic()
        done = local.buildkit(*command, folder=project.folder)
        assert done.code == 0, done.stderr
        found[name] = time.monotonic() - began
    return found


@pytest.mark.parametrize("moment", range(INTERRUPTS))
def test_interrupted_at_any_moment(  # noqa: PLR0917 - pytest's own way
    local: Local,
    project: Project,
    scratch: Path,
    whole: dict[str, float],
    record_property: Callable[[str, object], None],
    moment: int,
) -> None:
    chosen = random.Random(moment)
    name = tuple(COMMANDS)[moment % len(COMMANDS)]
    number = chosen.choice(SIGNALS)
    after = chosen.random() * whole[name]
    prepare(local, project, name)
    running = local.start(*COMMANDS[name], folder=project.folder)
    running.wait_for_its_handlers()
    time.sleep(after)
    running.process.send_signal(number)
    begun = time.monotonic()
    done = running.end()
    seconds = time.monotonic() - begun
    record_property(
        "interrupted",
        f"{name}, {number.name} after {after:.1f} s: {done.code}, {seconds:.1f} s later",
    )

    assert done.code in (0, 130), done.stderr
    assert "Traceback" not in done.stderr
    if done.code == 130:
        assert done.json == {"error": interruption().facts}
        assert done.stderr.splitlines()[-1] == "interrupted"
    mine = f"/{running.process.pid} "
    assert [thing for thing in local.things() if mine in thing] == []
    assert list(scratch.iterdir()) == []
    assert processes_with(str(scratch)) == []
    healed = local.buildkit("build", "--all", "--push", "--json", folder=project.folder)
    assert healed.code == 0, healed.stderr
    assert [each["status"] for each in healed.json["targets"]] == ["published"]


def prepare(local: Local, project: Project, name: str) -> None:
    """Do what the command needs. A layer that nobody has is built, and sent."""
    (project.folder / "program" / "noise").write_bytes(os.urandom(1_000_000))
    if name != "build":
        done = local.buildkit("build", "--all", folder=project.folder)
        assert done.code == 0, done.stderr
