"""`buildkit run` with a real engine: from training to an answer, and nothing left on any end."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.e2e.support.real import BUILDKIT, make_project
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.support.real import Local, Project
    from tests.e2e.support.running import Running

SLOW = """\
    import os, time
    if os.environ.get("HOSTS"):
        facts = json.loads((ROOT / "input/config/resourceconfig.json").read_text())
        import socket
        for peer in facts["hosts"]:
            while True:
                try:
                    socket.gethostbyname(peer)
                    break
                except OSError:
                    time.sleep(0.1)
        print("sees", *facts["hosts"], flush=True)
        (ROOT / "output/data" / facts["current_host"]).write_text("here")
    if os.environ.get("DEAF"):
        signal.signal(signal.SIGTERM, lambda *_: print("deaf", flush=True))
    print("\\x1b[31mwaits", flush=True)
    time.sleep(float(os.environ.get("SLEEP", 0)))
"""


@pytest.fixture(scope="module")
def built(local: Local, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """An image that can be slow, deaf to SIGTERM, or look for its peers."""
    project = make_project(tmp_path_factory.mktemp("run"))
    written = '    (ROOT / "model/model.json").write_text(json.dumps(mean))\n'
    project.change("train", written, written + SLOW)
    done = local.buildkit("build", "--all", folder=project.folder)
    assert done.code == 0, done.stderr
    yield project
    local.forget(project.name)


@contextmanager
def begun(local: Local, project: Project, *words: str) -> Iterator[Running]:
    """A run that does not outlive a test that fails."""
    running = local.start("run", project.name, *words, folder=project.folder)
    try:
        yield running
    finally:
        running.kill()


def kept(project: Project) -> Path:
    return project.folder / "dist" / "runs" / project.id


def test_a_model_is_trained_then_served_and_asked(local: Local, built: Project) -> None:
    run = ("run", built.name)
    done = local.buildkit(*run, "train", folder=built.folder)
    assert done.code == 0, done.stderr
    assert done.stdout == f"dist/runs/{built.id}/model.tar.gz\n"
    assert "algo-1 | mean=3.0\nalgo-1 | waits\n" in done.stderr
    with tarfile.open(kept(built) / "model.tar.gz") as packed:
        assert packed.getnames() == ["model.json"]
    assert (kept(built) / "model" / "model.json").read_text() == "3.0"

    (built.folder / "more").mkdir(exist_ok=True)
    (built.folder / "more" / "one.csv").write_text("10\n")
    own = ("--channel", "training=more", "--json")
    found = local.buildkit(*run, "train", *own, folder=built.folder).json
    assert (found["exit_code"], found["failure"], found["target"]) == (0, None, built.id)
    assert (kept(built) / "model" / "model.json").read_text() == "10.0"

    ask = (*run, "serve", "--invoke", "request.csv")
    answer = local.buildkit(*ask, folder=built.folder)
    assert (answer.code, answer.stdout.split()) == (0, ["11.0", "12.0"]), answer.stderr
    image = ("run", f"{built.name}:1.0-cpu-py311", "serve", "--model", "old", "--network-isolation")
    (built.folder / "old").mkdir(exist_ok=True)
    (built.folder / "old" / "model.json").write_text("0")
    answer = local.buildkit(*image, "--invoke", "request.csv", "--json", folder=built.folder)
    assert (answer.json["status"], answer.json["body"].split()) == (200, ["1.0", "2.0"])


def test_a_failure_is_said_and_changes_no_model(local: Local, built: Project) -> None:
    (built.folder / "empty").mkdir(exist_ok=True)
    (kept(built)).mkdir(parents=True, exist_ok=True)
    (kept(built) / "model.tar.gz").write_text("earlier")
    words = ("run", built.name, "train", "--channel", "training=empty")
    done = local.buildkit(*words, folder=built.folder)
    assert done.code == 6
    assert "the reason in /opt/ml/output/failure: FileNotFoundError: the training" in done.stderr
    found = local.buildkit(*words, "--json", folder=built.folder)
    assert (found.code, found.json["exit_code"], found.json["model"]) == (6, 1, None)
    assert found.json["failure"].endswith("channel is empty")
    assert (kept(built) / "model.tar.gz").read_text() == "earlier"
    assert [each.name for each in kept(built).parent.iterdir()] == [built.id]


def test_a_server_answers_until_ctrl_c(local: Local, built: Project) -> None:
    (built.folder / "old").mkdir(exist_ok=True)
    (built.folder / "old" / "model.json").write_text("3")
    words = ("serve", "--model", "old", "--page")
    with begun(local, built, *words) as running:
        running.says("Ctrl-C stops the server")
        said = running._read(1)
        url = running._read(0).strip()
        line = next(each for each in said.splitlines() if each.startswith("try: curl"))
        sent = subprocess.run(
            shlex.split(line.removeprefix("try: ")),
            cwd=built.folder, check=True, capture_output=True, text=True, timeout=HANG,
        )  # fmt: skip
        assert sent.stdout.split() == ["4.0", "5.0"]
        assert url in line
        port = ("--port", url.rpartition(":")[2])
        taken = local.buildkit("run", built.name, *words, *port, folder=built.folder)
        assert (taken.code, "is in use" in taken.stderr) == (5, True)
        running.process.send_signal(signal.SIGINT)
        done = running.end()
    assert done.code == 0, done.stderr
    assert "stopping serve: SIGTERM, and SIGKILL after 30 s" in done.stderr


def test_a_server_that_ends_by_itself_is_said(local: Local, built: Project) -> None:
    (built.folder / "bad").mkdir(exist_ok=True)
    words = ("run", built.name, "serve", "--model", "bad")
    done = local.buildkit(*words, folder=built.folder)
    assert done.code == 6
    assert "`serve` ended by itself with 1" in done.stderr
    assert "serve | " in done.stderr


def test_a_training_is_stopped_and_its_model_kept(local: Local, built: Project) -> None:
    with begun(local, built, "train", "--environment", "SLEEP=600", "--json") as running:
        running.says("algo-1 | waits")
        running.process.send_signal(signal.SIGTERM)
        done = running.end()
    assert done.code == 130
    found = json.loads(done.stdout)
    assert (found["exit_code"], found["stopped"], found["killed"]) == (143, True, False)
    assert (kept(built) / "model" / "model.json").exists()


def test_the_second_ctrl_c_kills_a_training(local: Local, built: Project) -> None:
    deaf = ("--environment", "SLEEP=600", "--environment", "DEAF=1")
    with begun(local, built, "train", *deaf) as running:
        running.says("algo-1 | waits")
        running.process.send_signal(signal.SIGINT)
        running.says("algo-1 | deaf")
        assert not running.has_ended()
        running.process.send_signal(signal.SIGINT)
        done = running.end()
    assert (done.code, done.stderr.splitlines()[-1]) == (130, "interrupted")


def test_two_hosts_find_each_other(local: Local, built: Project) -> None:
    more = ("--environment", "HOSTS=1", "--environment", "SLEEP=5", "--network-isolation")
    words = ("run", built.name, "train", "--hosts", "2", *more)
    done = local.buildkit(*words, folder=built.folder)
    assert done.code == 0, done.stderr
    for name in ("algo-1", "algo-2"):
        assert f"{name} | sees algo-1 algo-2" in done.stderr
        assert (kept(built) / "output" / name).read_text() == "here"
    assert "several hosts wrote" not in done.stderr


def test_a_shell_is_in_the_same_surroundings(local: Local, built: Project) -> None:
    folder = built.folder
    (folder / "old").mkdir(exist_ok=True)
    (folder / "old" / "model.json").write_text("3")
    words = [str(BUILDKIT), "run", built.name, "train", "--shell"]
    done = subprocess.run(
        words, cwd=folder, env=local.env, text=True, capture_output=True, timeout=HANG,
        input="cat /opt/ml/input/data/training/numbers.csv; echo $TRAINING_JOB_NAME\n",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"1\n2\n6\n{built.name}-1-0-cpu-py311-")

    words = ["run", built.name, "serve", "--shell", "--model", "old"]
    with pexpect.spawn(
        str(BUILDKIT), words, cwd=str(folder), env=local.env, timeout=HANG, encoding="utf-8"
    ) as terminal:
        terminal.expect("# ")
        terminal.sendline("tty; cat /opt/ml/model/model.json; touch /opt/ml/model/new")
        terminal.expect("/dev/pts/0\r\n3touch: .*Read-only file system")
        terminal.sendline("exit 3")
        terminal.expect(pexpect.EOF)
        terminal.wait()
        assert terminal.exitstatus == 3
