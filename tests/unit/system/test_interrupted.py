"""Commands that wait for a registry, AWS or an engine that takes a call and never answers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from buildkit.ledger import ledger
from buildkit.support.errors import interruption
from tests.support.projects import MINIMAL
from tests.support.releases import digest, image, move, release
from tests.support.thorough import THOROUGH
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process
BASIC = MINIMAL + "template = 'basic'\ncontext = 'program'\n"
INTERRUPTED = {"error": interruption().facts}
ECR = "000000000000.dkr.ecr.us-east-1.amazonaws.com"


class Mute:
    """It hears what is asked, and says nothing."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.1)
        self.address = "{}:{}".format(*self._server.getsockname())

    def hear(self, asking: subprocess.Popen[str]) -> socket.socket:
        """Wait for the process to ask something."""
        while True:
            assert asking.poll() is None, asking.communicate()
            with suppress(TimeoutError):
                connection, _ = self._server.accept()
                connection.settimeout(HANG)
                assert connection.recv(1)
                return connection

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def mute() -> Iterator[Mute]:
    found = Mute()
    yield found
    found.close()


@pytest.fixture
def project(tmp_path: Path, mute: Mute) -> Path:
    """With two images that were published where nobody answers now."""
    (tmp_path / "images.toml").write_text(BASIC)
    (tmp_path / "program").mkdir()
    for program in ("train", "serve"):
        (tmp_path / "program" / program).write_text("#!/bin/sh\n")
        (tmp_path / "program" / program).chmod(0o755)
    book = ledger.Ledger(path=tmp_path / ledger.NAME)
    where = mute.address
    for version, letter in (("1.0", "1"), ("1.0-1", "2")):
        moved = move(None, letter, version, host=where)
        book.append(release(image(version, letter, host=where), moves=[moved]))
    return tmp_path


WAITS = [  # for a registry, AWS and an engine; each signal, with --json and without
    pytest.param(signal.SIGINT, "diff demo-1.0-cpu-py311 demo-1.0-1-cpu-py311", id="diff"),
    pytest.param(signal.SIGHUP, f"promote {digest('1')} --to demo:stable", id="promote an alias"),
    pytest.param(signal.SIGTERM, "rollback demo:latest --json", id="rollback"),
    pytest.param(signal.SIGINT, f"repo plan --registry {ECR} --json", id="repo plan"),
    pytest.param(signal.SIGTERM, f"repo apply --registry {ECR}", id="repo apply"),
    pytest.param(signal.SIGHUP, "build --all --json", id="build"),
    pytest.param(signal.SIGINT, "test any:image --json", id="test"),
]
if THOROUGH:
    WAITS += [
        pytest.param(signal.SIGTERM, "notes", id="notes"),
        pytest.param(signal.SIGINT, f"promote {digest('1')} --to other/demo", id="promote a copy"),
        pytest.param(signal.SIGHUP, "uri demo-1.0-cpu-py311 --verify", id="uri"),
        pytest.param(signal.SIGTERM, "revise --all --changed", id="revise"),
    ]


@pytest.mark.parametrize(("number", "command"), WAITS)
def test_ends_at_a_signal(
    mute: Mute, project: Path, number: signal.Signals, command: str, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    env = {
        **os.environ,
        "DOCKER_HOST": f"tcp://{mute.address}",
        "DOCKER_CONFIG": str(project),
        "AWS_ENDPOINT_URL": f"http://{mute.address}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "TMPDIR": str(scratch),
    }
    with subprocess.Popen(
        [sys.executable, "-W", "default", "-m", "buildkit", *command.split()],
        cwd=project, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running, mute.hear(running):  # fmt: skip
        running.send_signal(number)
        out, err = running.communicate(timeout=HANG)
    assert running.returncode == 130, err
    assert (json.loads(out) if out else None) == (INTERRUPTED if "--json" in command else None)
    assert err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in err
    assert "Warning" not in err
    assert "failed" not in err
    assert list(scratch.iterdir()) == []


LOADING = """
import sys, time
from buildkit import __main__
class Slow:
    def find_spec(self, name, *_):
        if name == "buildkit.cli":
            print("loading", flush=True)
            while True:
                time.sleep(0.1)
sys.meta_path.insert(0, Slow())
__main__.main()
"""
"""A signal just before a sleep does not end it, and Python runs the handler only afterwards."""


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("asked", ["--all", "--json"])
def test_an_interrupt_while_the_tool_is_being_loaded(number: signal.Signals, asked: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LOADING, asked],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "loading\n"
        running.send_signal(number)
        out, err = running.communicate(timeout=HANG)
    assert (running.returncode, err) == (130, "interrupted\n")
    assert (json.loads(out) if out else None) == (INTERRUPTED if asked == "--json" else None)
