from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from buildkit.system import cache, processes, tempdirs
from buildkit.system.cache import Kind

if TYPE_CHECKING:
    from pathlib import Path

DIGEST, OTHER = (f"sha256:{letter * 64}" for letter in "ab")
NEVER = 2**22 + 1
"""More than Linux gives to any process."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tempdirs.sweep.cache_clear()
    return tmp_path / "buildkit" / "identities"


@pytest.mark.parametrize("text", ["", "text", "two\nlines\n"])
def test_what_is_kept_is_found(folder: Path, text: str) -> None:
    assert cache.find(Kind.IDENTITIES, DIGEST) is None
    cache.keep(Kind.IDENTITIES, DIGEST, text)
    assert cache.find(Kind.IDENTITIES, DIGEST) == text
    assert cache.find(Kind.DOCKERFILES, DIGEST) is None
    assert [each.name for each in folder.iterdir()] == ["a" * 64]


@pytest.mark.parametrize("damaged", [b"tex", b"", b"caf\xe9\n"])
def test_a_damaged_entry_counts_as_none(folder: Path, damaged: bytes) -> None:
    cache.keep(Kind.IDENTITIES, DIGEST, "text")
    (folder / ("a" * 64)).write_bytes(damaged)
    assert cache.find(Kind.IDENTITIES, DIGEST) is None
    cache.keep(Kind.IDENTITIES, DIGEST, "text")
    assert cache.find(Kind.IDENTITIES, DIGEST) == "text"


def test_a_folder_that_cannot_be_used_is_no_error(folder: Path) -> None:
    folder.parent.parent.mkdir(exist_ok=True)
    folder.parent.write_text("a file")
    cache.keep(Kind.IDENTITIES, DIGEST, "text")
    assert cache.find(Kind.IDENTITIES, DIGEST) is None


def test_a_user_without_a_home_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "~nobody-has-this-name")
    cache.keep(Kind.IDENTITIES, DIGEST, "text")
    assert cache.find(Kind.IDENTITIES, DIGEST) is None


def test_without_the_variable_the_folder_is_in_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert str(cache.folder()) == "/home/somebody/.cache/buildkit"


def test_a_text_that_is_used_is_kept_longer_than_one_that_is_not(folder: Path) -> None:
    hour = 60 * 60
    for digest in (DIGEST, OTHER):
        cache.keep(Kind.IDENTITIES, digest, "text")
    used, unused = sorted(folder.iterdir())
    for path in (used, unused):
        os.utime(path, (time.time() - 2 * hour,) * 2)
    assert cache.kept(Kind.IDENTITIES, hour) == (used, unused)
    cache.find(Kind.IDENTITIES, DIGEST)
    assert cache.kept(Kind.IDENTITIES, hour) == (unused,)
    assert cache.kept(Kind.IDENTITIES) == (used, unused)
    assert cache.kept(Kind.DOCKERFILES) == ()


def test_the_next_run_removes_what_a_killed_one_has_left(folder: Path) -> None:
    folder.mkdir(parents=True)
    dead = folder / f"buildkit-{processes.machine()}-{NEVER}-abc"
    living = folder / f"buildkit-{processes.machine()}-{os.getppid()}-abc"
    for each in (dead, living):
        each.write_text("half a te")
    assert cache.left() == (dead,)
    assert cache.kept(Kind.IDENTITIES) == ()
    cache.keep(Kind.IDENTITIES, DIGEST, "text")
    assert {*folder.iterdir()} == {living, folder / ("a" * 64)}
    assert cache.left() == ()


def test_what_others_have_beside_the_cache_does_not_count(folder: Path) -> None:
    (folder.parent / "bases").mkdir(parents=True)
    (folder.parent / "bases" / f"buildkit-{processes.machine()}-{NEVER}-abc").touch()
    assert cache.left() == ()
