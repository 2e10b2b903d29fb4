"""`train` as a process."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import tarfile
import zipfile
from typing import TYPE_CHECKING, Callable

import pytest

from tests.runtime.runtime_harness import RUNTIME, Finished, Tree
from tests.support.waiting import HANG, wait_until

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytestmark = pytest.mark.process

PROGRAM = RUNTIME / "bin" / "train"
REPORT = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]))\n"

Train = Callable[..., Finished]
Start = Callable[..., "subprocess.Popen[bytes]"]


def report_of(result: Finished) -> tuple[list[str], dict[str, str], str]:
    assert result.code == 0, result.stderr
    arguments, variables, folder = json.loads(result.stdout.splitlines()[-1])
    return arguments, variables, folder


def test_the_script_gets_arguments_variables_and_its_folder(tree: Tree, train: Train) -> None:
    tree.write("code/train.py", REPORT)
    tree.write("output/failure", "of an earlier start")
    tree.hyperparameters(
        sagemaker_program='"train.py"', name="a b; touch /tmp/pwn", lr="0.1", x='"q"'
    )
    arguments, variables, folder = report_of(train())
    assert arguments == ["--lr", "0.1", "--name", "a b; touch /tmp/pwn", "-x", "q"]
    assert variables["SM_HP_LR"] == "0.1"
    assert variables["SM_MODEL_DIR"] == str(tree.base / "model")
    assert variables["PYTHONPATH"] == str(tree.base / "code")
    assert folder == str(tree.base / "code")
    assert not tree.exists("output/failure")
    assert tree.exists("model")


def test_a_script_can_import_its_neighbours_but_not_this_runtime(tree: Tree, train: Train) -> None:
    tree.write("code/helper.py", "")
    tree.write("code/sub/train.py", "import helper\nimport buildkit_runtime\n")
    result = train(SAGEMAKER_PROGRAM="sub/train.py")
    assert result.code == 1
    assert tree.read("output/failure").startswith(
        "ModuleNotFoundError: No module named 'buildkit_runtime'"
    )


@pytest.mark.parametrize(("name", "shebang"), [("train.sh", ""), ("run", "#!/bin/sh\n")])
def test_shell_scripts_get_their_arguments_unharmed(
    tree: Tree, train: Train, name: str, shebang: str
) -> None:
    tree.write(f"code/{name}", f'{shebang}printf "%s|" "$@" > "$SM_MODEL_DIR/arguments"\n')
    tree.write("code/requirements.txt", "/absent.whl\n")
    tree.hyperparameters(text="\"a  $HOME 'b'\"", z="true")
    assert train(SAGEMAKER_PROGRAM=name).code == 0
    assert tree.read("model/arguments") == "--text|a  $HOME 'b'|-z|True|"


def test_code_from_an_archive_in_a_channel(tree: Tree, train: Train) -> None:
    tree.write("main.py", REPORT)
    archive = tree.base / "input/data/code/sourcedir.tar.gz"
    archive.parent.mkdir(parents=True)
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tree.base / "main.py", "main.py")
    tree.hyperparameters(
        sagemaker_program='"main.py"', sagemaker_submit_directory=json.dumps(str(archive))
    )
    # The variable has no effect on training (TTK-04).
    _, variables, _ = report_of(train(SAGEMAKER_SUBMIT_DIRECTORY="/nonsense"))
    assert variables["SM_MODULE_DIR"] == str(archive)


def test_no_script_at_all_is_a_clear_failure(tree: Tree, train: Train) -> None:
    assert train().code == 1
    text = tree.read("output/failure")
    assert "SAGEMAKER_PROGRAM" in text
    assert "`sagemaker_program`" in text


def test_a_failing_script_keeps_its_code_and_its_last_words(tree: Tree, train: Train) -> None:
    tree.write(
        "code/train.py",
        "import sys\nprint('noise ' * 999, file=sys.stderr)\n"
        "try:\n    raise KeyError('first')\nexcept KeyError as error:\n"
        "    raise RuntimeError('no é column') from error\n",
    )
    result = train(SAGEMAKER_PROGRAM="train.py")
    assert result.code == 1
    lines = tree.read("output/failure").splitlines()
    assert lines[:2] == ["RuntimeError: no é column", "`train.py` exited with code 1"]
    assert lines[-1] == lines[0]
    assert len(tree.read("output/failure")) <= 1024
    assert "RuntimeError: no é column" in result.stderr


@pytest.mark.parametrize(
    ("ending", "code", "text"),
    [
        pytest.param("sys.exit(9)", 9, "`train.py` exited with code 9", id="own code"),
        pytest.param("sys.exit(200)", 1, "exited with code 200", id="code out of range"),
        pytest.param("os.kill(os.getpid(), 9)", 1, "killed by SIGKILL", id="killed"),
        pytest.param("os.kill(os.getpid(), 15)", 1, "killed by SIGTERM", id="by itself"),
    ],
)
def test_ends_of_a_script(tree: Tree, train: Train, ending: str, code: int, text: str) -> None:
    tree.write("code/train.py", f"import os, sys\n{ending}\n")
    assert train(SAGEMAKER_PROGRAM="train.py").code == code
    assert text in tree.read("output/failure")


def test_a_failure_text_of_the_script_is_kept_but_not_on_success(tree: Tree, train: Train) -> None:
    own = "import os, sys\nopen(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('my reason')\n"
    tree.write("code/train.py", own + "sys.exit(int(sys.argv[2]))\n")
    tree.hyperparameters(c="3")
    assert train(SAGEMAKER_PROGRAM="train.py").code == 3
    assert tree.read("output/failure") == "my reason"
    tree.hyperparameters(c="0")
    assert train(SAGEMAKER_PROGRAM="train.py").code == 0
    assert not tree.exists("output/failure")


def test_a_failed_script_never_ends_as_success_when_output_cannot_be_written(
    tree: Tree, train: Train
) -> None:
    tree.write("output", "a file in place of the folder: not even root can write below it")
    tree.write("code/train.py", "raise SystemExit(9)\n")
    result = train(SAGEMAKER_PROGRAM="train.py")
    assert result.code == 9
    assert "cannot write" in result.stderr


def test_odd_config_files_are_named_in_the_failure(tree: Tree, train: Train) -> None:
    tree.write("input/config/resourceconfig.json", "{")
    assert train(SAGEMAKER_PROGRAM="train.py").code == 1
    assert "resourceconfig.json is not JSON" in tree.read("output/failure")


def test_a_daemon_left_behind_does_not_hold_up_the_end(tree: Tree, train: Train) -> None:
    tree.write(
        "code/train.py",
        "import subprocess\n"
        f"daemon = subprocess.Popen(['sleep', '{2 * HANG}'], stdout=subprocess.DEVNULL)\n"
        "print(daemon.pid)\n",
    )
    result = train(SAGEMAKER_PROGRAM="train.py")
    os.kill(int(result.stdout.splitlines()[-1]), signal.SIGKILL)  # it is there still
    assert result.code == 0


def test_output_is_not_held_back(tree: Tree, start: Start, tmp_path: Path) -> None:
    tree.write("code/train.py", f"import time\nprint('epoch 1')\ntime.sleep({HANG})\n")
    log = tmp_path / "log"
    process = start(PROGRAM, SAGEMAKER_PROGRAM="train.py")
    wait_until(lambda: "epoch 1" in log.read_text())
    process.terminate()
    assert process.wait(timeout=HANG) == 143


HANDLER = """
import os, signal, sys, time
def handle(number, frame):
    open(os.environ["SM_MODEL_DIR"] + "/stopped", "w").write(str(number))
    {ending}
signal.signal(signal.{signal}, handle)
open(os.environ["SM_MODEL_DIR"] + "/started", "w").close()
while True:
    time.sleep(0.1)
"""
"""A signal just before a sleep does not end it, and Python runs the handler only afterwards."""


@pytest.mark.parametrize(
    ("name", "ending", "code"),
    [
        pytest.param("SIGTERM", "sys.exit(0)", 0, id="saved and content"),
        pytest.param("SIGTERM", "sys.exit(7)", 7, id="a code of its own"),
        pytest.param("SIGTERM", "os.kill(os.getpid(), 9)", 143, id="no code of its own"),
        pytest.param("SIGINT", "sys.exit(130)", 130, id="interrupt"),
    ],
)
def test_stop_signals_reach_the_script(
    tree: Tree, start: Start, name: str, ending: str, code: int
) -> None:
    tree.write("code/train.py", HANDLER.format(signal=name, ending=ending))
    process = start(PROGRAM, SAGEMAKER_PROGRAM="train.py")
    wait_until(lambda: tree.exists("model/started"))
    process.send_signal(getattr(signal, name))
    assert process.wait(timeout=HANG) == code
    assert tree.read("model/stopped") == str(int(getattr(signal, name)))
    assert tree.exists("output/failure") == (code != 0)


def test_a_stop_reaches_what_a_shell_script_runs(tree: Tree, start: Start) -> None:
    tree.write("code/worker.py", HANDLER.format(signal="SIGTERM", ending="sys.exit(0)"))
    tree.write("code/train.sh", "python worker.py\necho never\n")
    process = start(PROGRAM, SAGEMAKER_PROGRAM="train.sh")
    wait_until(lambda: tree.exists("model/started"))
    process.terminate()
    assert process.wait(timeout=HANG) == 143
    wait_until(lambda: tree.exists("model/stopped"))
    assert "stopped with SIGTERM" in tree.read("output/failure")


needs_pip = pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="needs pip")


@needs_pip
def test_requirements_are_installed_first(tree: Tree, train: Train) -> None:
    folder = tree.base / "code"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_thing-1.0-py3-none-any.whl", "w") as wheel:
        information = "tiny_thing-1.0.dist-info"
        wheel.writestr("tiny_thing.py", "ANSWER = 42\n")
        wheel.writestr(
            f"{information}/METADATA", "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{information}/RECORD", "")
    tree.write("code/requirements.txt", "./tiny_thing-1.0-py3-none-any.whl\n")
    tree.write("code/train.py", "import tiny_thing\nassert tiny_thing.ANSWER == 42\n")
    site = str(tree.base / "site")
    offline = {"PIP_NO_INDEX": "1", "PIP_TARGET": site, "PYTHONPATH": site}
    offline["PIP_NO_WARN_CONFLICTS"] = "0"  # or pip reads all packages that are installed here
    result = train(SAGEMAKER_PROGRAM="train.py", **offline)
    assert result.code == 0, result.stderr


@needs_pip
def test_requirements_that_cannot_be_installed_fail_the_job(tree: Tree, train: Train) -> None:
    tree.write("code/train.py", "print('never')\n")
    tree.write("code/requirements.txt", "./absent-1.0-py3-none-any.whl\n")
    result = train(SAGEMAKER_PROGRAM="train.py", PIP_NO_INDEX="1")
    assert result.code == 1
    assert "never" not in result.stdout
    assert "pip install -r requirements.txt" in tree.read("output/failure")
