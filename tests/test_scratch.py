from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from buildkit import owners, scratch

if TYPE_CHECKING:
    from pathlib import Path

NEVER = 2**22 + 1
"""More than Linux gives to any process."""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    scratch._sweep_the_dead.cache_clear()


def test_a_folder_is_private_and_goes_away(tmp_path: Path) -> None:
    with scratch.folder() as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "secret").write_text("x")
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_goes_with_the_next(tmp_path: Path) -> None:
    dead = tmp_path / f"buildkit-{owners.machine()}-{NEVER}-abc"
    living = tmp_path / f"buildkit-{owners.machine()}-{os.getppid()}-abc"
    elsewhere = tmp_path / f"buildkit-000000000000-{NEVER}-abc"
    other = tmp_path / "buildkit-notes"
    for each in (dead, living, elsewhere, other):
        each.mkdir()
        (each / "config.json").write_text("x")
    link = tmp_path / f"buildkit-{owners.machine()}-{NEVER}-link"
    link.symlink_to(other)
    with scratch.folder():
        assert not dead.exists()
        assert all(each.exists() for each in (living, elsewhere, other, other / "config.json"))
