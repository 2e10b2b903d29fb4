from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING

import pytest

from buildkit.system import processes, tempdirs

if TYPE_CHECKING:
    from pathlib import Path

NEVER = 2**22 + 1
"""More than Linux gives to any process."""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tempdirs.sweep.cache_clear()
    tempdirs._name_the_place.cache_clear()


def test_a_folder_is_private_and_goes_away(tmp_path: Path) -> None:
    with tempdirs.folder() as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "secret").write_text("x")
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_goes_with_the_next(tmp_path: Path) -> None:
    dead = tmp_path / f"buildkit-{processes.machine()}-{NEVER}-abc"
    living = tmp_path / f"buildkit-{processes.machine()}-{os.getppid()}-abc"
    elsewhere = tmp_path / f"buildkit-000000000000-{NEVER}-abc"
    other = tmp_path / "buildkit-notes"
    for each in (dead, living, elsewhere, other):
        each.mkdir()
        (each / "config.json").write_text("x")
    link = tmp_path / f"buildkit-{processes.machine()}-{NEVER}-link"
    link.symlink_to(other)
    with tempdirs.folder():
        assert not dead.exists()
        assert all(each.exists() for each in (living, elsewhere, other, other / "config.json"))


def test_what_was_left_before_a_reboot_or_in_another_container_goes_when_it_is_old(
    tmp_path: Path,
) -> None:
    old = tmp_path / f"buildkit-000000000000-{os.getpid()}-abc"
    ahead = tmp_path / f"buildkit-000000000003-{os.getpid()}-abc"
    new = tmp_path / f"buildkit-000000000001-{os.getpid()}-abc"
    here = tmp_path / f"buildkit-{processes.machine()}-{os.getppid()}-abc"
    notes = tmp_path / "buildkit-my-old-notes"
    for each in (old, ahead, new, here, notes):
        each.mkdir()
        (each / "pip.conf").write_text("[global]")
    link = tmp_path / f"buildkit-000000000002-{NEVER}-link"
    link.symlink_to(notes)
    long_ago = time.time() - tempdirs.OLD_SECONDS - 60
    for each in (old, here, notes):
        os.utime(each, (long_ago, long_ago))
    in_future = time.time() + tempdirs.OLD_SECONDS + 60
    os.utime(ahead, (in_future, in_future))
    os.utime(link, (long_ago, long_ago), follow_symlinks=False)
    with tempdirs.folder():
        assert not old.exists()
        assert not ahead.exists()
        assert all(each.exists() for each in (new, here, link, notes / "pip.conf"))


@pytest.mark.parametrize("kind", ["missing", "file", "relative", "folder"])
def test_another_folder_than_tmpdir_is_named_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    wanted = tmp_path / "wanted"
    match kind:
        case "file":
            wanted.write_text("")
        case "relative" | "folder":
            wanted.mkdir()
        case _:
            pass
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", "a/../wanted" if kind == "relative" else str(wanted))
    monkeypatch.setattr("tempfile.tempdir", None)
    with tempdirs.folder() as first, tempdirs.folder() as second:
        usable = first.parent == second.parent == wanted
    assert usable is (kind in ("relative", "folder"))
    said = capsys.readouterr().err
    assert said.count("of TMPDIR is missing, full or not writable: temporary files are in `") == (
        not usable
    )


def test_a_folder_of_several_lines_is_named_on_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TMPDIR", "/none\nhint: evil")
    with tempdirs.folder():
        pass
    assert r"`/none\nhint: evil` of TMPDIR" in capsys.readouterr().err
