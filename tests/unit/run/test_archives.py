"""A model as SageMaker packs it, and as a server gets it: links and hostile names included."""

from __future__ import annotations

import errno
import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from buildkit.contract import archive
from buildkit.run import kept
from buildkit.support.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, target
    return found


def streamed(*entries: tuple[tarfile.TarInfo, bytes]) -> Iterator[bytes]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for info, content in entries:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    yield buffer.getvalue()


def listed(path: Path) -> dict[str, str]:
    with tarfile.open(path) as tar:
        return {each.name: each.linkname for each in tar}


LINK, HARD, FOLDER, DEVICE = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE
FULL = (
    (member("model", FOLDER), b""),
    (member("model/weights"), b"w"),
    (member("model/again", HARD, "model/weights"), b""),
    (member("model/sub", FOLDER), b""),
    (member("model/sub/here", LINK, "../weights"), b""),
    (member("model/sub/out", LINK, "../../etc/passwd"), b""),
    (member("model/sub/odd", LINK, "x/../../../etc"), b""),
    (member("model/etc", LINK, "/etc/passwd"), b""),
    (member("model/../../evil"), b"e"),
    (member("other/file"), b"o"),
    (member("model/tty", DEVICE), b""),
)


def test_a_model_is_packed_with_relative_names_and_without_what_leads_out(tmp_path: Path) -> None:
    packed = archive.pack([streamed(*FULL)], tmp_path / "model.tar.gz")
    assert listed(tmp_path / "model.tar.gz") == {
        "weights": "",
        "again": "weights",
        "sub": "",
        "sub/here": "../weights",
        "file": "",
    }
    assert packed.files == 2
    assert packed.outside == (
        "model/sub/out", "model/sub/odd", "model/etc", "model/../../evil", "model/tty",
    )  # fmt: skip


def test_a_long_name_loses_the_folder_too(tmp_path: Path) -> None:
    """Such a name, and that of a user outside of ASCII, is in a header of its own."""
    long = "x" * 200
    info, link = member(f"model/{long}"), member("model/link", HARD, f"model/{long}")
    info.uname = link.uname = "jürgen"
    archive.pack([streamed((info, b"w"), (link, b""))], tmp_path / "model.tar.gz")
    with tarfile.open(tmp_path / "model.tar.gz") as tar:
        found = {each.name: (each.linkname, each.uname) for each in tar}
    assert found == {long: ("", ""), "link": (long, "")}


def test_hosts_may_write_the_same_file_but_not_another_one(tmp_path: Path) -> None:
    both = (
        streamed((member("model/same"), b"1"), (member("model/clash"), b"1")),
        streamed((member("model/same"), b"1"), (member("model/clash"), b"2"), (member("model/more"), b"")),
    )  # fmt: skip
    packed = archive.pack(both, tmp_path / "model.tar.gz")
    assert packed.twice == ("clash",)
    with tarfile.open(tmp_path / "model.tar.gz") as tar:
        assert {each.name: tar.extractfile(each).read() for each in tar} == {  # type: ignore[union-attr]
            "same": b"1",
            "clash": b"1",
            "more": b"",
        }


def test_a_model_that_is_too_large_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(tarfile.TarError, match="too large"):
        archive.pack([streamed((member("model/x"), b"12345"))], tmp_path / "x", 4)


def test_a_model_is_unpacked_without_links(tmp_path: Path) -> None:
    file, folder = tmp_path / "model.tar.gz", tmp_path / "model"
    archive.pack([streamed(*FULL)], file)
    folder.mkdir()
    assert archive.unpack(file, folder) == 1
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert found == {"weights": b"w", "again": b"w", "file": b"o"}


def test_an_archive_cannot_write_beside_its_folder(tmp_path: Path) -> None:
    file, folder = tmp_path / "model.tar.gz", tmp_path / "model"
    folder.mkdir()
    with tarfile.open(file, "w:gz") as tar:
        for info in (member("../evil"), member("/evil"), member("a/../../evil")):
            tar.addfile(info, io.BytesIO())
    assert archive.unpack(file, folder) == 3
    assert [*folder.iterdir()] == []
    assert not (tmp_path / "evil").exists()


def of_server(model: Path | None, code: Path | None = None) -> dict[str, str]:
    buffer = io.BytesIO(b"".join(kept.laid_out(model, code)))
    with tarfile.open(fileobj=buffer) as tar:
        return {each.name: each.linkname for each in tar}


def test_a_server_gets_an_archive_unpacked_or_a_folder_and_code_beside_it(tmp_path: Path) -> None:
    file, folder, code = tmp_path / "model.tar.gz", tmp_path / "m", tmp_path / "c"
    archive.pack([streamed(*FULL)], file)
    folder.mkdir()
    (folder / "weights").write_text("w")
    code.mkdir()
    (code / "inference.py").write_text("")
    assert of_server(None) == {"model": ""}
    assert of_server(folder, code) == {
        "model": "", "model/weights": "", "model/code": "", "model/code/inference.py": "",
    }  # fmt: skip
    found = of_server(file)
    assert found["model/again"] == "model/weights"
    assert found["model/sub/here"] == "../weights"


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00broken"])
def test_what_is_no_archive_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.tar.gz").write_bytes(content)
    with pytest.raises(UsageError, match=r"model.tar.gz is not a readable .tar.gz"):
        of_server(tmp_path / "model.tar.gz")


def test_a_hard_link_to_what_is_left_out_is_left_out(tmp_path: Path) -> None:
    file, folder = tmp_path / "model.tar.gz", tmp_path / "model"
    entries = (
        (member("model"), b""),
        (member("model/out", LINK, "/etc/passwd"), b""),
        (member("model/again", HARD, "model/out"), b""),
        (member("model/weights"), b"w"),
    )
    assert archive.pack([streamed(*entries)], file).outside == ("model/out", "model/again")
    assert [*listed(file)] == ["weights"]
    with tarfile.open(file, "w:gz") as tar:
        tar.addfile(member("again", HARD, "absent"))
    folder.mkdir()
    assert archive.unpack(file, folder) == 1


def test_a_full_disk_does_not_blame_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "model.tar.gz").write_bytes(b"")
    monkeypatch.setattr(archive.Archive, "packed", full)
    with pytest.raises(OSError, match="No space left"):
        of_server(tmp_path / "model.tar.gz")
