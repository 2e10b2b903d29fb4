"""Archives of code: what is unpacked, and what is refused."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest
from buildkit_runtime import source
from buildkit_runtime.failure import JobFailure

if TYPE_CHECKING:
    from pathlib import Path


def archive(folder: Path, *members: tuple[str, str]) -> Path:
    """Members are files with their content, `name/`, or `name ->` with what it links to."""
    path = folder / "sourcedir.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in members:
            info = tarfile.TarInfo(name.removesuffix(" ->").rstrip("/"))
            if name.endswith("/"):
                info.type = tarfile.DIRTYPE
            elif name.endswith(" ->"):
                info.type, info.linkname = tarfile.SYMTYPE, text
            else:
                info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


def test_links_to_files_and_folders_of_the_archive_lead_there(tmp_path: Path) -> None:
    made = archive(
        tmp_path, ("train.py", "x"), ("d/", ""), ("d/a", "y"), ("l ->", "d"), ("f ->", "train.py")
    )
    source.fetch(str(made), tmp_path / "code", {})
    assert (tmp_path / "code" / "l" / "a").read_text() == "y"
    assert (tmp_path / "code" / "f").read_text() == "x"
    assert not (tmp_path / "code" / "f").is_symlink()


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([("l ->", "/etc")], id="a folder of the container"),
        pytest.param([("l ->", "..")], id="above"),
        pytest.param([("l ->", "."), ("a", "x")], id="itself"),
        pytest.param([("l ->", "nowhere")], id="nothing"),
        pytest.param([("a ->", "b"), ("b ->", "a")], id="a loop"),
        pytest.param([("d/", ""), ("l ->", "d"), ("l/x", "y")], id="written through"),
    ],
)
def test_other_links_are_refused(tmp_path: Path, members: list[tuple[str, str]]) -> None:
    made = archive(tmp_path, *members)
    with pytest.raises(JobFailure):
        source.fetch(str(made), tmp_path / "code", {})
    assert not [each for each in (tmp_path / "code").iterdir() if each.is_symlink()]
