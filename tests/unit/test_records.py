from __future__ import annotations

import errno
import json
import os
import threading
from typing import TYPE_CHECKING

import pytest

from buildkit import records
from buildkit.config.boundary import Boundary
from buildkit.model.image import Layer, Location, Published
from buildkit.model.target import Payload, Samples
from buildkit.support.errors import ToolError, UsageError
from buildkit.system import files
from tests.support import fakes, projects
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_every_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    where = records.Records(folder=tmp_path, limits=Boundary(root=tmp_path))
    image = fakes.built()
    verified = fakes.verified(image)
    published = Published(
        verified=verified,
        digest=fakes.DIGEST,
        size=3,
        manifest_size=2,
        layers=(Layer(digest=fakes.DIGEST, size=3),),
        locations=(Location(uri="r/demo:1", pushed=True),),
    )
    where.write(records.BUILT, "x", image)
    where.write(records.PUBLISHED, "x", published)
    assert where.find(records.BUILT, "x") == image
    assert where.find(records.PUBLISHED, "x") == published


def test_samples_labels_and_libraries_survive_the_round_trip(tmp_path: Path) -> None:
    keys = 'labels = { a = "b" }\ndevices = ["gpu"]\ncuda-compat = "x:1-cu130"\n'
    target = projects.target(projects.MINIMAL + keys)
    assert target.cuda_compat is not None
    samples = Samples(
        channels=(("training", "/d"),), payloads=(Payload(content_type="text/csv", body="/b"),)
    )
    import dataclasses

    image = fakes.built(dataclasses.replace(target, samples=samples))
    where = records.Records(folder=tmp_path, limits=Boundary(root=tmp_path))
    where.write(records.BUILT, "x", image)
    assert where.find(records.BUILT, "x") == image


@pytest.mark.parametrize("value", ["9" * 400, "9" * 5000, "Infinity", "NaN", "-1", "1e999"])
def test_a_number_of_a_record_is_finite_and_bounded(tmp_path: Path, value: str) -> None:
    where = records.Records(folder=tmp_path, limits=Boundary(root=tmp_path))
    where.write(records.VERIFIED, "x", fakes.verified(fakes.built()))
    file = tmp_path / "x" / "verified.json"
    document = json.loads(file.read_text())
    document["verified"]["report"]["seconds"] = "HERE"
    file.write_text(json.dumps(document).replace('"HERE"', value))
    with pytest.raises(ToolError) as caught:
        where.find(records.VERIFIED, "x")
    said = caught.value.message
    assert "verified.json is not a valid record: report.seconds: " in said
    assert said.endswith("is not a number from 0 to 2^62")


def test_a_pipe_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    os.mkfifo(tmp_path / "x" / "built.json")
    where = records.Records(folder=tmp_path, limits=Boundary(root=tmp_path))
    with pytest.raises(ToolError, match="is a named pipe, not a file") as caught:
        where.find(records.BUILT, "x")
    assert caught.value.hint == "remove the record, then run `buildkit build x`"


def test_a_record_has_a_largest_size(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with (tmp_path / "x" / "built.json").open("wb") as file:
        file.truncate(records.LARGEST + 1)
    where = records.Records(folder=tmp_path, limits=Boundary(root=tmp_path))
    with pytest.raises(ToolError, match="67,108,865 bytes, more than the limit of 67,108,864"):
        where.find(records.BUILT, "x")


@pytest.mark.parametrize("name", ["x", "x/built.json"])
def test_no_record_is_read_written_or_removed_where_a_link_leads_out(
    tmp_path: Path, name: str
) -> None:
    far = tmp_path / "far"
    far.mkdir()
    (far / "built.json").write_text("{}")
    link = tmp_path / "dist" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(far if name == "x" else far / "built.json")
    where = records.kept_in(tmp_path / "dist", Boundary(root=tmp_path / "project"))
    acts: list[Callable[[], object]] = [
        lambda: where.find(records.BUILT, "x"),
        lambda: where.write(records.BUILT, "x", fakes.built()),
        lambda: where.forget(records.BUILT, "x"),
        lambda: where.check("x"),
    ]
    for act in acts:
        with pytest.raises(UsageError, match=r"leads to .*far.*, outside of"):
            act()
    assert (far / "built.json").read_text() == "{}"
    assert link.is_symlink()


def test_no_record_is_none(tmp_path: Path) -> None:
    assert (
        records.Records(folder=tmp_path, limits=Boundary(root=tmp_path)).find(records.BUILT, "x")
        is None
    )


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("image_id",), 3),
        (("target", "device"), "tpu"),
        (("target", "labels"), [["a", "b", "c"]]),
        (("target", "labels"), ["ab"]),
        (("target", "packages"), "one"),
        (("target", "samples"), None),
        (("manifest_digest",), True),
    ],
)
def test_a_value_of_another_kind_is_named(
    tmp_path: Path, where: tuple[str, ...], value: object
) -> None:
    there = records.Records(folder=tmp_path, limits=Boundary(root=tmp_path))
    there.write(records.BUILT, "x", fakes.built())
    path = tmp_path / "x" / "built.json"
    document = json.loads(path.read_text())
    inner = document["built"]
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    path.write_text(json.dumps(document))
    with pytest.raises(ToolError, match="not a valid record.*" + r"\.".join(where)):
        there.find(records.BUILT, "x")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("", "not a valid record", id="empty"),
        pytest.param('{"format": 1', "not a valid record", id="cut off"),
        pytest.param("[]", "not a valid record", id="a list"),
        pytest.param('{"format": 1}', "not a valid record", id="without a value"),
        pytest.param(
            '{"format": 1, "built": {"image_id": 3}}', "not a valid record", id="another shape"
        ),
        pytest.param('{"format": 2, "built": {}}', "has format 2, this tool reads 1", id="newer"),
        pytest.param("[" * 200_000, "not a valid record", id="a deep one"),
        pytest.param('{"format": ' + "[" * 900 + "]" * 900 + "}", "has format", id="a deep value"),
        pytest.param(
            '{"format": 1, "built": ' + "[" * 900 + "]" * 900 + "}",
            "not a valid record",
            id="deep inside",
        ),
    ],
)
def test_a_record_that_is_not_understood_is_refused(tmp_path: Path, text: str, wanted: str) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "built.json").write_text(text)
    with pytest.raises(ToolError, match=wanted) as caught:
        records.Records(folder=tmp_path, limits=Boundary(root=tmp_path)).find(records.BUILT, "x")
    assert "buildkit build" in str(caught.value.hint)


def test_a_file_is_written_at_once_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.json"
    files.write_text(path, "one")
    with pytest.raises(UnicodeEncodeError):
        files.write_text(path, "two\ud800")
    assert path.read_text() == "one"
    assert [each.name for each in path.parent.iterdir()] == ["b.json"]


def test_what_a_killed_run_left_half_written_goes_with_the_next(tmp_path: Path) -> None:
    where = records.Records(folder=tmp_path, limits=Boundary(root=tmp_path))
    where.write(records.BUILT, "x", fakes.built())
    (tmp_path / "x" / ".built.json.x5hutz7g").write_text('{"format"')
    (tmp_path / "x" / ".built.json.swp").write_text("an editor's")
    where.write(records.BUILT, "x", fakes.built())
    found = sorted(each.name for each in (tmp_path / "x").iterdir())
    assert found == [".built.json.swp", "built.json"]


def test_what_another_run_is_writing_stays(tmp_path: Path) -> None:
    """They wait for each other: whoever writes is alone, so what is there is nobody's."""
    begun, gate = threading.Event(), threading.Event()
    path = tmp_path / "a.json"

    def slow() -> str:
        begun.set()
        gate.wait(HANG)
        return "first"

    work = [
        threading.Thread(target=files.rewrite, args=(path, slow, "hint")),
        threading.Thread(target=files.write_text, args=(path, "second")),
    ]
    work[0].start()
    begun.wait(HANG)
    work[1].start()
    gate.set()
    for each in work:
        each.join()
    assert path.read_text() == "second"
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_a_file_system_without_locks_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuses)
    (tmp_path / ".a.json.x5hutz7g").write_text("perhaps another run's")
    files.write_text(tmp_path / "a.json", "one")
    assert sorted(each.name for each in tmp_path.iterdir()) == [".a.json.x5hutz7g", "a.json"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    where = records.Records(folder=tmp_path / "file" / "dist", limits=Boundary(root=tmp_path))
    with pytest.raises(ToolError, match=r"file/dist/x/built.json cannot be written: Not a dir"):
        where.write(records.BUILT, "x", fakes.built())


def test_a_record_says_its_format(tmp_path: Path) -> None:
    where = records.Records(folder=tmp_path, limits=Boundary(root=tmp_path))
    where.write(records.BUILT, "x", fakes.built())
    assert json.loads((tmp_path / "x" / "built.json").read_text())["format"] == 1
