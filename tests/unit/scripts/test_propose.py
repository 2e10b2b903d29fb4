"""`scripts/data/propose`: one branch and one pull request, which later proposals update."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.waiting import HANG

ROOT = Path(__file__).parents[3]
DATA = Path("scripts/data/shapes.txt")
GH = """\
#!/bin/sh
echo "$@" >>"$0.log"
case "$1 $2" in "pr list") cat "$0.open" ;; esac
"""
pytestmark = pytest.mark.process


def git(folder: Path, *arguments: str) -> str:
    me = ("-c", "user.name=me", "-c", "user.email=me@example.com")
    return subprocess.run(
        ["git", *me, *arguments], cwd=folder, text=True, check=True, capture_output=True, timeout=HANG,
    ).stdout  # fmt: skip


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with the script and one file of data, whose origin is beside it."""
    folder = tmp_path / "clone"
    for name in ("scripts/data/propose", "scripts/dev/lib.sh"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / DATA).write_text("old\n")
    git(tmp_path, "init", "--quiet", "--bare", "origin")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "remote", "add", "origin", str(tmp_path / "origin"))
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "all")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gh").write_text(GH)
    (tmp_path / "bin" / "gh").chmod(0o755)
    return folder


def propose(clone: Path, *, already_open: int) -> str:
    """What the script asks of `gh`."""
    tools = clone.parent / "bin"
    (tools / "gh.open").write_text(f"{already_open}\n")
    (tools / "gh.log").write_text("")
    subprocess.run(
        [clone / "scripts/data/propose", "drift", clone.parent / "proposal", DATA],
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}, check=True, timeout=HANG,
    )  # fmt: skip
    return (tools / "gh.log").read_text()


def keep(clone: Path, **files: str) -> None:
    for name, text in files.items():
        path = clone.parent / "proposal" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_without_a_title_nothing_is_proposed(clone: Path) -> None:
    assert propose(clone, already_open=0) == ""
    assert git(clone, "branch", "--list", "drift") == ""


@pytest.mark.parametrize(
    ("already_open", "asked"),
    [
        (0, "pr create --head drift --title AWS's API --body why\n"),
        (1, "pr edit drift --title AWS's API --body why\n"),
    ],
)
def test_a_branch_has_the_files_and_one_pull_request(
    clone: Path, already_open: int, asked: str
) -> None:
    keep(
        clone,
        **{"title": "AWS's API\n", "body": "why\n", str(DATA): "new\n", "other": "not asked for\n"},
    )
    assert asked in propose(clone, already_open=already_open)
    assert git(clone.parent / "origin", "show", f"drift:{DATA}") == "new\n"
    assert git(clone.parent / "origin", "log", "-1", "--format=%s", "drift") == "AWS's API\n"
    assert git(clone, "diff", "--name-only", "main", "drift").split() == [str(DATA)]


def test_a_later_proposal_replaces_the_branch(clone: Path) -> None:
    for number, text in enumerate(("new\n", "newest\n")):
        keep(clone, title="AWS's API\n", body="why\n", **{str(DATA): text})
        propose(clone, already_open=number)
        git(clone, "switch", "--quiet", "main")
    assert git(clone.parent / "origin", "show", f"drift:{DATA}") == "newest\n"
    assert git(clone.parent / "origin", "rev-list", "--count", "drift").strip() == "2"
