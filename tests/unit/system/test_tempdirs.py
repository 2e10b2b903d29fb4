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
    new = tmp_path / f"buildkit-000000000001-{os.getpid()}-abc"
    here = tmp_path / f"buildkit-{processes.machine()}-{os.getppid()}-abc"
    notes = tmp_path / "buildkit-my-old-notes"
    for each in (old, new, here, notes):
        each.mkdir()
        (each / "pip.conf").write_text("[global]")
    link = tmp_path / f"buildkit-000000000002-{NEVER}-link"
    link.symlink_to(notes)
    long_ago = time.time() - tempdirs.OLD_SECONDS - 60
    for each in (old, here, notes):
        os.utime(each, (long_ago, long_ago))
    os.utime(link, (long_ago, long_ago), follow_symlinks=False)
    with tempdirs.folder():
        assert not old.exists()
        assert all(each.exists() for each in (new, here, link, notes / "pip.conf"))
