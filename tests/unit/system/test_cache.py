from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkit.system import cache

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "buildkit" / "kind"


@pytest.mark.parametrize("text", ["", "text", "two\nlines\n"])
def test_what_is_kept_is_found(folder: Path, text: str) -> None:
    assert cache.find("kind", DIGEST) is None
    cache.keep("kind", DIGEST, text)
    assert cache.find("kind", DIGEST) == text
    assert cache.find("other", DIGEST) is None
    assert [each.name for each in folder.iterdir()] == ["a" * 64]


@pytest.mark.parametrize("damaged", [b"tex", b"", b"caf\xe9\n"])
def test_a_damaged_entry_counts_as_none(folder: Path, damaged: bytes) -> None:
    cache.keep("kind", DIGEST, "text")
    (folder / ("a" * 64)).write_bytes(damaged)
    assert cache.find("kind", DIGEST) is None
    cache.keep("kind", DIGEST, "text")
    assert cache.find("kind", DIGEST) == "text"


def test_a_folder_that_cannot_be_used_is_no_error(folder: Path) -> None:
    folder.parent.parent.mkdir(exist_ok=True)
    folder.parent.write_text("a file")
    cache.keep("kind", DIGEST, "text")
    assert cache.find("kind", DIGEST) is None


def test_a_user_without_a_home_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "~nobody-has-this-name")
    cache.keep("kind", DIGEST, "text")
    assert cache.find("kind", DIGEST) is None


def test_without_the_variable_the_folder_is_in_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert str(cache.folder()) == "/home/somebody/.cache/buildkit"
