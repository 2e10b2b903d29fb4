"""What a run leaves: the last good model stays until there is another one."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any, cast

import pytest

from buildkit.contract import archive
from buildkit.run import kept
from buildkit.support.errors import ToolError
from buildkit.system import git

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Host:
    """A container whose `train` left files below /opt/ml."""

    def __init__(self, **files: bytes) -> None:
        self._files = files

    def get(self, path: str) -> Iterator[bytes]:
        top = path.rpartition("/")[2]
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, content in self._files.items():
                if name.startswith(f"{top}_"):
                    info = tarfile.TarInfo(f"{top}/{name.partition('_')[2]}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
        yield buffer.getvalue()


def keep(folder: Path, *, stopped: bool = False, **files: bytes) -> kept.Kept:
    return kept.keep(cast("Any", [Host(**files)]), folder, stopped=stopped)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(git, "advise_to_ignore", lambda _: None)
    found = tmp_path / "dist" / "runs" / "a"
    keep(found, model_weights=b"good")
    return found


def test_a_run_without_a_model_leaves_the_model_of_the_run_before(folder: Path) -> None:
    found = keep(folder, data_plot=b"p")
    assert (found.model, found.output) == (None, folder / "output.tar.gz")
    assert (folder / "model" / "weights").read_bytes() == b"good"
    assert kept.model_of(folder) is not None


def test_a_run_with_a_model_replaces_it(folder: Path) -> None:
    assert keep(folder, model_other=b"new").model == folder / "model.tar.gz"
    assert [each.name for each in (folder / "model").iterdir()] == ["other"]


def test_what_a_stopped_job_left_is_beside_the_good_model(folder: Path) -> None:
    beside = folder.with_name("a.stopped")
    assert keep(folder, stopped=True, model_weights=b"ha").model == beside / "model.tar.gz"
    assert (folder / "model" / "weights").read_bytes() == b"good"
    assert (beside / "model" / "weights").read_bytes() == b"ha"


def test_the_limits_of_the_suite_are_not_those_of_a_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST", 0)
    monkeypatch.setattr(archive, "MOST_SECONDS", -1)
    assert keep(folder, model_a=b"1", model_b=b"2").model is not None


def test_what_was_read_of_too_many_files_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MOST", 1)
    part = folder.with_name("a.model.tar.gz.part")
    with pytest.raises(ToolError, match=str(part)):
        keep(folder, model_a=b"1", model_b=b"2")
    assert part.stat().st_size > 0
    assert (folder / "model" / "weights").read_bytes() == b"good"
