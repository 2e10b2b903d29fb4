"""Fixtures of the tests of the programs inside the images."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# The programs' own package, which is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "templates" / "runtime"))

from tests.runtime.runtime_harness import RUNTIME, Finished, Running, Tree, free_port
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    base = tmp_path / "ml"
    base.mkdir()
    return Tree(base)


@pytest.fixture
def train(tree: Tree) -> Callable[..., Finished]:
    """Run a `train` to its end."""

    def run(program: Path = RUNTIME / "bin" / "train", **variables: str) -> Finished:
        result = subprocess.run(
            [program],
            env=tree.variables(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=HANG,
            check=False,
            cwd="/",
        )
        return Finished(result.returncode, result.stdout.decode(), result.stderr.decode())

    return run


@pytest.fixture
def start(tree: Tree, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a program in the background; whatever happens, it ends with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(program: Path, log: Path | None = None, **variables: str) -> subprocess.Popen[bytes]:
        with (log or tmp_path / "log").open("wb") as file:
            process = subprocess.Popen(
                [program],
                env=tree.variables(**variables),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=HANG)


@pytest.fixture
def serve(start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path) -> Callable[..., Running]:
    """Start a `serve` on a free port."""

    def begin(program: Path = RUNTIME / "bin" / "serve", **variables: str) -> Running:
        port, log = free_port(), tmp_path / "serve.log"
        variables.setdefault("SAGEMAKER_MODEL_SERVER_WORKERS", "1")
        process = start(program, log, SAGEMAKER_BIND_TO_PORT=str(port), **variables)
        return Running(process, port, log)

    return begin


@pytest.fixture
def make_archive(tmp_path: Path) -> Callable[..., Path]:
    """A tar.gz of the given members, which may be anything a TarInfo can say."""

    def make(*members: tuple[tarfile.TarInfo, bytes]) -> Path:
        path = tmp_path / "sourcedir.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            for member, content in members:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        return path

    return make
