"""What is written into a folder that has files: all or nothing, and nothing is overwritten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkit.scaffold import draft, write
from buildkit.support.errors import ToolError, UsageError
from buildkit.system import files

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.scaffold.draft import Draft


def below(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def script() -> Draft:
    return draft.of_kind("script", "acme", None)


def test_all_files_in_the_way_are_named(tmp_path: Path) -> None:
    (tmp_path / "images.toml").symlink_to("nowhere")
    (tmp_path / "code").write_text("a file in the place of a folder")
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples/payload.csv").write_text("1,2\n")
    (tmp_path / "other.txt").write_text("in nobody's way")
    before = below(tmp_path)
    with pytest.raises(UsageError) as caught:
        write.plan(script(), tmp_path)
    assert caught.value.message == (
        "nothing was written, because `images.toml`, `code` and `samples/payload.csv` exist already"
    )
    assert below(tmp_path) == before


def test_a_folder_that_is_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "new").write_text("")
    with pytest.raises(UsageError, match="because `new` exists already"):
        write.plan(script(), tmp_path / "new")


@pytest.mark.parametrize("name", [".gitignore", "code"])
def test_no_link_leads_out_of_the_project(tmp_path: Path, name: str) -> None:
    folder, outside = tmp_path / "project", tmp_path / "outside"
    folder.mkdir()
    outside.write_text("") if name == ".gitignore" else outside.mkdir()
    (folder / name).symlink_to(outside)
    before = below(tmp_path)
    with pytest.raises(UsageError, match=f"leads to `{outside}.*`, outside of `{folder}`"):
        write.plan(script(), folder)
    assert below(tmp_path) == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "dist/\n"),
        ("*.pyc\n", "*.pyc\ndist/\n"),
        ("*.pyc", "*.pyc\ndist/\n"),
        ("*.pyc\r\n", "*.pyc\r\ndist/\r\n"),
        ("dist/\n", "dist/\n"),
        ("/dist\n", "/dist\n"),
        ("\ufeff**/dist/", "\ufeff**/dist/"),
        ("distance\n#dist/\n", "distance\n#dist/\ndist/\n"),
    ],
)
def test_a_line_is_added_only_if_it_is_missing(tmp_path: Path, before: str, after: str) -> None:
    file = tmp_path / ".gitignore"
    file.write_bytes(before.encode())
    plan = write.plan(script(), tmp_path)
    files.create(plan.new, plan.more)
    assert file.read_bytes().decode() == after


def test_an_ignore_file_that_cannot_be_read_stops_everything(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        write.plan(script(), tmp_path)


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    """The last file cannot be written: those before it, and their folders, are removed."""
    (tmp_path / ".gitignore").write_text("*.pyc\n")
    before = below(tmp_path)
    new = {tmp_path / "a/b/c": b"1", tmp_path / "d": b"2", tmp_path / ("x" * 300): b"3"}
    with pytest.raises(UsageError, match="File name too long"):
        files.create(new, {tmp_path / ".gitignore": b"dist/\n"})
    assert below(tmp_path) == before
    with pytest.raises(ToolError):
        files.create({tmp_path / "d": b"2"}, {tmp_path / ".gitignore": b"x", tmp_path: b"no file"})
    assert below(tmp_path) == before


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    plan = write.plan(script(), tmp_path)
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples/payload.csv").write_text("mine")
    before = below(tmp_path)
    with pytest.raises(ToolError, match="File exists"):
        files.create(plan.new, plan.more)
    assert below(tmp_path) == before
