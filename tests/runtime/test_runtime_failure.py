from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from buildkit_runtime import failure
from buildkit_runtime.failure import JobFailure
from buildkit_runtime.process import Outcome
from buildkit_runtime.script import Script
from buildkit_runtime.training import exit_code, judge

if TYPE_CHECKING:
    from pathlib import Path

TRACEBACK = 'Traceback (most recent call last):\n  File "x", line 1, in <module>\n    f()\n'

LAUNCHERS = TRACEBACK + "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n===\n"


@pytest.mark.parametrize(
    ("stderr", "cause"),
    [
        pytest.param(TRACEBACK + "ValueError: bad\nmore\n", "ValueError: bad", id="first line"),
        pytest.param(TRACEBACK + "KeyError: 'a'\nbye\n", "KeyError: 'a'", id="log lines after it"),
        pytest.param(TRACEBACK + "my.Odd\n", "my.Odd", id="no message"),
        pytest.param(
            TRACEBACK + "KeyError: 1\n\nDuring handling of ...\n\n" + TRACEBACK + "OSError: 2\n",
            "OSError: 2",
            id="chained",
        ),
        pytest.param(
            '  File "t.py", line 1\n    f(\n     ^\nSyntaxError: oops\n',
            "SyntaxError: oops",
            id="syntax error",
        ),
        pytest.param("one\nlast words\n\n", "last words", id="no traceback"),
        pytest.param(
            TRACEBACK + "ValueError: mine\nE1128 api.py failed (exitcode: 1)\n" + LAUNCHERS,
            "ValueError: mine",
            id="under torch's launcher",
        ),
        pytest.param(
            "[rank0]: Traceback (most recent call last):\n[rank0]:   File\n"
            "[rank0]: KeyError: 'mine'\n" + LAUNCHERS,
            "KeyError: 'mine'",
            id="of a process that has met the others",
        ),
        pytest.param("", "", id="silent"),
    ],
)
def test_the_cause_is_found_in_stderr(stderr: str, cause: str) -> None:
    assert failure.cause_of(stderr) == cause


def test_the_text_begins_with_the_cause_and_fits() -> None:
    stderr = "é" * 5000 + "\n" + TRACEBACK + "ValueError: bad\n"
    text = failure.compose("`train.py` exited with code 1", stderr)
    assert text.splitlines()[:2] == ["ValueError: bad", "`train.py` exited with code 1"]
    assert text.endswith(TRACEBACK + "ValueError: bad")
    assert len(text) == failure.LIMIT


def test_the_end_of_a_long_cause_does_not_push_out_the_exit_code() -> None:
    text = failure.compose("exited with code 1", TRACEBACK + "ValueError: " + "x" * 5000)
    assert "exited with code 1" in text
    assert len(text) <= failure.LIMIT


def test_a_text_of_the_script_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "output" / "failure"
    failure.write(path, "ours")
    failure.write(path, "later")
    assert path.read_text() == "ours"
    failure.clear(path)
    failure.clear(path)
    assert not path.exists()


def test_the_limit_counts_characters_and_odd_ones_do_not_raise(tmp_path: Path) -> None:
    failure.write(tmp_path / "failure", "é\ud800" * 2000)
    assert len((tmp_path / "failure").read_text(encoding="utf-8")) == failure.LIMIT


def test_a_folder_that_cannot_be_made_does_not_raise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "output").write_text("a file in its place")
    failure.write(tmp_path / "output" / "failure", "reason")
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "stopped_by", "expected"),
    [
        pytest.param(1, None, 1, id="own code"),
        pytest.param(125, None, 125, id="largest own code"),
        pytest.param(126, None, 1, id="not executable"),
        pytest.param(255, None, 1, id="out of range"),
        pytest.param(-signal.SIGKILL, None, 1, id="killed"),
        pytest.param(-signal.SIGTERM, signal.SIGTERM, 143, id="stopped"),
        pytest.param(-signal.SIGINT, signal.SIGINT, 130, id="interrupted"),
        pytest.param(7, signal.SIGTERM, 7, id="stopped with a code of its own"),
    ],
)
def test_exit_codes(code: int, stopped_by: int | None, expected: int) -> None:
    assert exit_code(Outcome(code=code, stopped_by=stopped_by, stderr="")) == expected


def test_a_kill_is_explained(tmp_path: Path) -> None:
    with pytest.raises(JobFailure, match=r"killed by SIGKILL.*out of memory"):
        judge(Script("train.py", tmp_path), Outcome(-signal.SIGKILL, None, ""))
