"""Parts of a script that run side by side: `begin` and `finish` of scripts/dev/lib.sh."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.waiting import HANG, wait_until

LIB = Path(__file__).parents[3] / "scripts" / "dev" / "lib.sh"
BEGIN = f"set -euo pipefail; source {LIB}; scratch there; "
pytestmark = pytest.mark.process


def start(folder: Path, script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["bash", "-c", BEGIN + script], cwd=folder, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run(folder: Path, script: str) -> tuple[int, str, str]:
    process = start(folder, script)
    stdout, stderr = process.communicate(timeout=HANG)
    assert list((folder / "there").iterdir()) == []
    return process.returncode, stdout, stderr


def is_running(number: str) -> bool:
    """Whether a process is there that has not ended."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_parts_run_at_the_same_time_and_each_has_its_own_output(tmp_path: Path) -> None:
    """Each waits for the other."""
    meet = "bash -c 'touch $0; until [[ -e $1 ]]; do sleep 0.01; done; echo $0'"
    script = f'begin a {meet} one two; begin b {meet} two one; finish b a; cat "$scratch"/[ab]'
    assert run(tmp_path, script) == (0, "one\ntwo\n", "")


def test_what_was_begun_and_is_not_waited_for_ends_with_the_script(tmp_path: Path) -> None:
    long = "bash -c 'echo $$ >pid; sleep 1000'"
    script = f"begin long {long}; until [[ -s pid ]]; do sleep 0.01; done; begin short true; finish short"
    assert run(tmp_path, script) == (0, "", "")
    assert not is_running((tmp_path / "pid").read_text().strip())


@pytest.mark.parametrize("order", ["good bad", "bad good"])
def test_a_part_that_fails_ends_the_others_and_its_words_are_the_last(
    tmp_path: Path, order: str
) -> None:
    """Also while another one is waited for, and when that does not end by itself."""
    good = "bash -c 'echo $$ >pid; sleep 1000'"
    bad = "bash -c 'until [[ -s pid ]]; do sleep 0.01; done; echo the reason >&2; exit 7'"
    script = f"begin good {good}; begin bad {bad}; finish {order}; echo never"
    assert run(tmp_path, script) == (7, "", "the reason\n")
    assert not is_running((tmp_path / "pid").read_text().strip())


def test_a_part_that_is_killed_says_nothing_itself_so_it_is_said(tmp_path: Path) -> None:
    script = "begin large bash -c 'kill -KILL $PPID; sleep 1000'; finish large"
    code, _, stderr = run(tmp_path, script)
    assert code == 137
    assert stderr.endswith("error: the part `large` was ended by a signal\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=str)
def test_an_interruption_ends_all_parts_and_waits_for_what_they_clean_up(
    tmp_path: Path, number: int, code: int
) -> None:
    part = "bash -c \"trap 'sleep 0.3; touch clean; exit' TERM; touch begun; sleep 1000 & wait\""
    process = start(tmp_path, f"begin part {part}; finish part")
    wait_until((tmp_path / "begun").exists)
    os.kill(process.pid, number)
    _, stderr = process.communicate(timeout=HANG)
    assert (process.returncode, stderr) == (code, "")
    assert (tmp_path / "clean").exists()
    assert list((tmp_path / "there").iterdir()) == []
