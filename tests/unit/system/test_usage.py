from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.system import usage
from buildkit.system.usage import Usage

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_takes_what_all_its_files_take(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "inner" / "a").write_bytes(b"123")
    (tmp_path / "folder" / "b").write_bytes(b"4567")
    (tmp_path / "file").write_bytes(b"89")
    assert usage.measure([tmp_path / "folder", tmp_path / "file"]) == Usage(entries=2, size=9)
    assert usage.measure([tmp_path / "absent"]) == Usage(entries=1)
    assert usage.measure([]) == Usage()


def test_what_is_removed_counts_and_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_bytes(b"123")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "b").write_bytes(b"45")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    size = (tmp_path / "link").lstat().st_size
    found = usage.remove([tmp_path / "folder", tmp_path / "link", tmp_path / "absent"])
    assert found == Usage(entries=2, size=3 + size)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "b").exists()
