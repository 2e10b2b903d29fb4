from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from buildkit import cli
from buildkit.ledger import ledger, make
from buildkit.ledger.record import Action, Verdict
from buildkit.model.image import Layer, Location, Origin, Published
from buildkit.support.errors import Exit, ToolError
from buildkit.system.git import commit
from tests.support import fakes, projects, releases
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.ledger.ledger import Ledger
    from buildkit.ledger.record import Release


@pytest.fixture
def book(tmp_path: Path) -> Ledger:
    return ledger.Ledger(path=tmp_path / ledger.NAME)


def written(book: Ledger, release: Release) -> None:
    """Put a record into the file that buildkit itself would not write."""
    book.path.write_text(f"{ledger.text(release)}\n")


def test_records_come_back_as_they_were_written(book: Ledger) -> None:
    full = releases.release(releases.image(), moves=[releases.move(None, "1", "1.0")], commit="abc")
    bare = releases.release(releases.image(origin=None, size=None), action=Action.PROMOTE)
    for each in (full, bare):
        book.append(each)
    assert book.read() == (full, bare)
    assert [json.loads(line)["format"] for line in book.path.read_text().splitlines()] == [1, 1]


@pytest.mark.parametrize("kind", ["a named pipe", "a device", "a folder"])
def test_what_has_no_end_is_no_ledger(book: Ledger, kind: str) -> None:
    if kind == "a named pipe":
        os.mkfifo(book.path)
    elif kind == "a device":
        book.path.symlink_to("/dev/zero")
    else:
        book.path.mkdir()
    with pytest.raises(ToolError, match=f"jsonl cannot be read: .* is {kind}, not a file"):
        book.read()
    with pytest.raises(ToolError, match=f"is {kind}, not a file"):
        book.append(releases.release(releases.image()))


def test_a_ledger_has_a_largest_size(book: Ledger) -> None:
    with book.path.open("wb") as file:
        file.truncate(ledger.LARGEST + 1)
    with pytest.raises(ToolError, match="536,870,913 bytes, more than the limit of 536,870,912"):
        book.read()


def test_a_ledger_has_room_for_150_000_images(book: Ledger) -> None:
    stack = tuple((releases.digest(f"{number:x}"[-1]), 123_456_789) for number in range(25))
    hosts = (f"123456789012.dkr.ecr.{each}.amazonaws.com" for each in ("eu-west-1", "us-east-1"))
    locations = tuple(f"{host}/demo:1.0-cpu-py311" for host in hosts)
    made = releases.release(releases.image(layers=stack, locations=locations))
    book.append(made)
    line = book.path.read_text()
    assert f'"layers": [["{stack[0][0]}", 123456789], [' in line
    assert len(line) * 150_000 < ledger.LARGEST
    assert book.read() == (made,)


def test_a_ledger_may_be_a_link_that_projects_share(book: Ledger, tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("")
    book.path.symlink_to(tmp_path / "shared")
    book.append(releases.release(releases.image()))
    assert len(book.read()) == len((tmp_path / "shared").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("r.example/demo:1\nr.example/demo:1.0-cpu-py311", id="two lines"),
        pytest.param("r.example/demo:1.0-cpu-py311 ", id="a blank"),
        pytest.param("", id="empty"),
        pytest.param("r.example/demo:0.9-cpu-py311", id="another tag"),
        pytest.param("r.example/other:1.0-cpu-py311", id="another repository"),
        pytest.param("r.example/x/demo:1.0-cpu-py311", id="a longer repository"),
        pytest.param("user:secret@r.example/demo:1.0-cpu-py311", id="with a password"),
        pytest.param("https://r.example/demo:1.0-cpu-py311", id="with a scheme"),
        pytest.param("demo:1.0-cpu-py311", id="without a host"),
    ],
)
def test_a_location_is_a_uri_of_the_image(book: Ledger, uri: str) -> None:
    written(
        book,
        releases.release(releases.image(locations=(f"{releases.HOST}/demo:1.0-cpu-py311", uri))),
    )
    with pytest.raises(ToolError) as caught:
        book.read()
    assert "releases.jsonl:1 is not a valid record: images[0].locations" in caught.value.message
    assert "secret" not in caught.value.message


def test_ports_and_names_of_this_machine_are_hosts(book: Ledger) -> None:
    hosts = ("localhost:5000", "127.0.0.1:5050", "Registry-1.example", "localhost")
    release = releases.release(*(releases.image(host=host) for host in hosts))
    book.append(release)
    assert book.read() == (release,)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param({"locations": ()}, "images[0].locations: the list is empty", id="nowhere"),
        pytest.param({"version": "9.9", "target": "demo-1.0-cpu-py311"}, "images[0].target: 'demo-1.0-cpu-py311' is not `demo-9.9-cpu-py311`", id="version"),
        pytest.param({"name": "other", "target": "demo-1.0-cpu-py311"}, "images[0].target: ", id="name"),
        pytest.param({"device": "gpu", "target": "demo-1.0-cpu-py311"}, "images[0].target: ", id="device"),
        pytest.param({"python": "3.12", "target": "demo-1.0-cpu-py311"}, "images[0].target: ", id="Python"),
        pytest.param({"purpose": "inference", "target": "demo-1.0-cpu-py311-training"}, "images[0].target: ", id="purpose"),
        pytest.param({"device": "tpu"}, "images[0].device: 'tpu' is not a device", id="no device"),
        pytest.param({"purpose": "serving"}, "images[0].purpose: 'serving' is not a purpose", id="no purpose"),
        pytest.param({"python": "py311"}, "images[0].python: 'py311' is not a Python version", id="no Python"),
        pytest.param({"repository": "Demo"}, "images[0].repository: 'Demo' is not a repository", id="no repository"),
        pytest.param({"tag": "a/b"}, "images[0].tag: 'a/b' is not a tag", id="no tag"),
        pytest.param({"config_digest": "sha256:zz"}, "images[0].config_digest: 'sha256:zz' is not a digest", id="no digest of the configuration"),
    ],
)  # fmt: skip
def test_an_image_on_record_contradicts_nothing(
    book: Ledger, wrong: dict[str, Any], said: str
) -> None:
    written(book, releases.release(releases.image(**wrong)))
    with pytest.raises(ToolError) as caught:
        book.read()
    assert f"releases.jsonl:1 is not a valid record: {said}" in caught.value.message


def test_the_id_of_a_target_may_name_its_purpose(book: Ledger) -> None:
    image = releases.image(purpose="training", target="demo-1.0-cpu-py311-training")
    book.append(releases.release(image))
    assert book.read()[0].images == (image,)


def test_a_record_is_of_the_time_that_its_id_names(book: Ledger) -> None:
    written(book, releases.release(time="2030-11-21T16:16:54Z"))
    with pytest.raises(
        ToolError, match=r"time: 2030-11-21T16:16:54Z is not the time of the id 2026"
    ):
        book.read()


def test_a_key_that_occurs_twice_is_an_error(book: Ledger) -> None:
    """Programs differ in which of the two values they take."""
    line = ledger.text(releases.release(releases.image()))
    book.path.write_text(line.replace('"tag": ', '"tag": "9.9-cpu-py311", "tag": '))
    with pytest.raises(ToolError, match=r"jsonl:1 .*: the key 'tag' occurs twice in one object"):
        book.read()


def moved(**changes: str) -> dict[str, Any]:
    """The facts of a record with one move that is changed."""
    return {"moves": (dataclasses.replace(releases.move(None, "1", "1.0"), **changes),)}


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        pytest.param({"id": "\x1b[31mRED\x07"}, "id: .* is not the id of a record", id="id"),
        pytest.param({"id": "0001"}, "id: '0001' is not the id of a record", id="id without a time"),
        pytest.param({"commit": "\x1b[2J"}, "commit: .* contains whitespace or control", id="commit"),
        pytest.param({"commit": "abc\n::error::x"}, "commit: .* contains whitespace or control", id="commit of two lines"),
        pytest.param({"time": "now and then"}, "time: 'now and then' is not a time", id="time"),
        pytest.param(moved(alias="a\u202eb"), "alias: .* is not a tag", id="alias"),
        pytest.param(moved(host="a b"), "host: 'a b' is not the host of a registry", id="host"),
        pytest.param(moved(host="u:p@h"), "host: .* is not the host of a registry", id="host with a password"),
        pytest.param(moved(repository="x::y"), "repository: 'x::y' is not a repository", id="repository"),
        pytest.param(moved(tag=""), "tag: '' is not a tag", id="tag"),
        pytest.param(moved(tag="::error::"), "tag: '::error::' is not a tag", id="tag for a CI"),
        pytest.param(moved(after="sha256:zz"), "after: 'sha256:zz' is not a digest", id="after"),
        pytest.param(moved(before="sha256:zz"), "before: 'sha256:zz' is not a digest", id="before"),
    ],
)  # fmt: skip
def test_what_is_printed_of_a_record_has_its_form(
    book: Ledger, bad: dict[str, Any], said: str
) -> None:
    written(book, releases.release(releases.image(), **bad))
    with pytest.raises(ToolError, match=rf"releases\.jsonl:1 is not a valid record: .*{said}"):
        book.read()


def test_the_verdict_of_a_record_commands_nobody(book: Ledger) -> None:
    verdict = Verdict(
        profile="::error::x\n::error::y", suite="s", passed=1, warned=0, skipped=0, seconds=1
    )
    written(book, releases.release(releases.image(verdict=verdict)))
    with pytest.raises(ToolError, match="contains whitespace or control characters"):
        book.read()


def test_what_a_killed_run_left_goes_with_the_next(book: Ledger, tmp_path: Path) -> None:
    (tmp_path / ".releases.jsonl.x1y2z3_a").write_text("half of a rec")
    (tmp_path / ".releases.jsonl.swp").write_text("an editor's")
    book.append(releases.release())
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        ".releases.jsonl.swp", "releases.jsonl",
    ]  # fmt: skip


def test_what_runs_side_by_side_have_published_together_is_on_record_once(book: Ledger) -> None:
    """Three pushes of one folder: each finds no tag when it begins, and no alias."""
    image, other = releases.image(), releases.image("1.1", "e")
    moved = releases.move(None, "1", "1.0")
    old = releases.release()
    book.append(old)
    since = frozenset({old.id})
    first = releases.release(image, moves=[moved])
    book.append(first, since)
    book.append(releases.release(image, moves=[moved]), since)
    assert book.read() == (old, first)
    more = releases.release(image, other, moves=[moved, releases.move("1", "2", "2.0")])
    book.append(more, since)
    last = book.read()[-1]
    assert (last.images, last.moves) == ((other,), (releases.move("1", "2", "2.0"),))
    again = releases.release(image, moves=[moved])
    book.append(again, frozenset(each.id for each in book.read()))
    assert book.read()[-1] == again  # what was there when the run began is another matter


def test_without_a_file_there_is_no_record(book: Ledger) -> None:
    assert book.read() == ()


def test_records_are_in_the_order_of_their_ids_and_each_is_there_once(book: Ledger) -> None:
    """As git leaves the lines of two branches (merge=union)."""
    first, second = releases.release(), releases.release()
    book.path.write_text("".join(f"{ledger.text(each)}\n" for each in (second, first, second)))
    assert book.read() == (first, second)


def test_two_records_with_one_id_are_an_error_that_names_both_lines(book: Ledger) -> None:
    first, second = releases.release(releases.image()), releases.release()
    other = dataclasses.replace(first, images=(releases.image("2.0"),))
    book.path.write_text("".join(f"{ledger.text(each)}\n" for each in (first, second, other)))
    with pytest.raises(ToolError, match=r"jsonl:1 and .*jsonl:3 have one id, 2026") as caught:
        book.read()
    assert first.id in caught.value.message
    assert "remove the wrong line" in str(caught.value.hint)


def test_of_records_with_other_words_only_the_ids_are_read(book: Ledger) -> None:
    """A long ledger holds few records that a question is about."""
    asked = releases.release(releases.image("1.0", name="asked"))
    other = ledger.text(releases.release(releases.image("1.0"))).replace('"cpu"', '"tpu"')
    book.path.write_text(f"{other}\n{ledger.text(asked)}\n")
    path = str(book.path)
    assert ledger.read_file(path, ["ASKED", "1.0"]) == (asked,)
    assert ledger.read_file(path, ["asked", "9.9"]) == ()
    with pytest.raises(ToolError, match=r"jsonl:1 .* images\[0\].device: 'tpu' is not a device"):
        ledger.read_file(path, ["demo"])
    with pytest.raises(ToolError, match=r"jsonl:1 .* images\[0\].device: 'tpu' is not a device"):
        ledger.read_file(path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("<<<<<<< HEAD", "jsonl:2 is not a valid record", id="a conflict"),
        pytest.param('{"format": 9, "id": "x"}', "jsonl:2 has format 9", id="a later format"),
        pytest.param('{"format": 1, "id": "x"}', "jsonl:2 .* 'x' is not the id", id="no id"),
        pytest.param("SAME", "jsonl:1 and .*jsonl:2 have one id", id="an id twice"),
    ],
)
def test_a_broken_line_is_an_error_whatever_the_words(book: Ledger, line: str, said: str) -> None:
    first = releases.release(releases.image())
    same = ledger.text(dataclasses.replace(first, tool="2"))
    book.path.write_text(f"{ledger.text(first)}\n{same if line == 'SAME' else line}\n")
    with pytest.raises(ToolError, match=said):
        ledger.read_file(str(book.path), ["asked"])


def test_an_escaped_word_is_a_word(book: Ledger) -> None:
    release = releases.release(releases.image(name="asked"))
    book.path.write_text(ledger.text(release).replace("asked", "\\u0061sked"))
    assert ledger.read_file(str(book.path), ["asked"]) == (release,)


def test_a_ledger_in_another_encoding_is_an_error_that_says_so(book: Ledger) -> None:
    line = ledger.text(releases.release())
    book.path.write_bytes(line.encode("utf-16"))
    with pytest.raises(ToolError, match="jsonl cannot be read: the file is UTF-16; save it as"):
        book.read()
    book.path.write_bytes(f"{line}\n".encode() + b"caf\xe9\n")
    with pytest.raises(ToolError, match="jsonl cannot be read: line 2 is not UTF-8: byte 0xe9"):
        book.read()


def changed(key: str, value: str | None) -> str:
    """A record with another value, as JSON, under the first key of this name; None: without it."""

    def change(found: Any) -> bool:
        if isinstance(found, dict) and key in found:
            found.pop(key) if value is None else found.update({key: json.loads(value)})
            return True
        parts = (
            found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
        )
        return any(map(change, parts))

    document = json.loads(ledger.text(releases.release(releases.image())))
    assert change(document)
    return json.dumps(document)


NUMBERS = [
    pytest.param(key, value, id=f"{key}, {called}")
    for key in ("size", "build_seconds", "seconds", "passed")
    for called, value in (
        ("below 0", "-1"),
        ("over 2^62", str((1 << 62) + 1)),
        ("400 digits", "9" * 400),
        ("5000 digits", "9" * 5000),
        ("1e999", "1e999"),
        ("Infinity", "Infinity"),
        ("NaN", "NaN"),
    )
]


@pytest.mark.parametrize(("key", "value"), NUMBERS)
def test_a_number_is_finite_and_bounded(book: Ledger, key: str, value: str) -> None:
    line = ledger.text(releases.release(releases.image(build_seconds=2.0)))
    book.path.write_text(re.sub(f'"{key}": [0-9.]+', f'"{key}": {value}', line))
    with pytest.raises(ToolError) as caught:
        book.read()
    said = caught.value.message
    assert "releases.jsonl:1 is not a valid record: images[0]." in said
    assert f"{key}: " in said
    assert "number from 0 to 2^62" in said
    assert "set_int_max_str_digits" not in said
    assert len(said) < 400


@pytest.mark.parametrize("size", [0, 1 << 62])
def test_numbers_up_to_the_limit_are_read(book: Ledger, size: int) -> None:
    release = releases.release(releases.image(size=size, build_seconds=float(size)))
    book.append(release)
    assert book.read() == (release,)


@pytest.mark.parametrize("seconds", [math.inf, math.nan, -1.0, 10**400])
def test_no_number_is_written_that_cannot_be_read(book: Ledger, seconds: float) -> None:
    book.append(releases.release(releases.image()))
    before = book.path.read_bytes()
    with pytest.raises(
        ToolError, match=r"not added .* images\[0\].build_seconds: .* is not a number"
    ):
        book.append(releases.release(releases.image(build_seconds=seconds)))
    assert book.path.read_bytes() == before


@pytest.mark.parametrize("value", ["9" * 400, "9" * 5000, "Infinity", "NaN", "-1"])
@pytest.mark.parametrize("words", [["ci-matrix", "--all"], ["notes"], ["releases", "--json"]])
def test_no_number_of_the_ledger_is_a_bug(
    book: Ledger, capsys: pytest.CaptureFixture[str], words: list[str], value: str
) -> None:
    projects.programs(book.path.parent / "program")
    text = projects.MINIMAL + 'template = "basic"\ncontext = "program"\n'
    book.path.with_name("images.toml").write_text(text)
    line = ledger.text(releases.release(releases.image(build_seconds=2.0)))
    book.path.write_text(line.replace('"build_seconds": 2.0', f'"build_seconds": {value}'))
    file = str(book.path.with_name("images.toml"))
    assert cli.run([*words, "--file", file]) == Exit.TOOL
    assert "is not a valid record: images[0].build_seconds: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        pytest.param(
            '{"format": 1, "id": "2', "releases.jsonl:2 is not a valid record", id="cut off"
        ),
        pytest.param("<<<<<<< HEAD", "releases.jsonl:2 is not a valid record", id="a conflict"),
        pytest.param(
            "[]", "releases.jsonl:2 is not a valid record.*list is not an object", id="a list"
        ),
        pytest.param(
            "null", "releases.jsonl:2 is not a valid record.*is not an object", id="nothing"
        ),
        pytest.param("[" * 200_000, "releases.jsonl:2 is not a valid record", id="a deep one"),
        pytest.param(
            '{"format": 1}', "releases.jsonl:2 is not a valid record", id="without a value"
        ),
        pytest.param(
            '{"format": 9}', "releases.jsonl:2 has format 9, this buildkit reads 1", id="newer"
        ),
        pytest.param('{"format": true}', "releases.jsonl:2 has format True", id="no number"),
        pytest.param(
            changed("passed", '"two"'),
            r"images\[0\].verdict.passed: 'two' is not a whole number",
            id="a text for a number",
        ),
        pytest.param(
            changed("warned", "true"),
            r"images\[0\].verdict.warned: True is not a whole number",
            id="true for a number",
        ),
        pytest.param(changed("tool", "null"), "tool: None is not text", id="null"),
        pytest.param(
            changed("locations", '"one"'),
            r"images\[0\].locations: 'one' is not a list",
            id="no list",
        ),
        pytest.param(
            changed("verdict", "[]"), r"images\[0\].verdict: \[\] is not an object", id="no object"
        ),
        pytest.param(
            changed("action", '"moved"'),
            "action: 'moved' is none of publish, promote, rollback",
            id="no word of it",
        ),
        pytest.param(
            changed("base", None), r"images\[0\].origin.base is missing", id="what must be there"
        ),
    ],
)
def test_a_line_that_is_not_understood_is_told_and_left(
    book: Ledger, line: str, wanted: str
) -> None:
    first, last = releases.release(), releases.release()
    book.path.write_text(f"{ledger.text(first)}\n{line}")
    with pytest.raises(ToolError, match=wanted) as caught:
        book.read()
    assert caught.value.hint
    book.append(last)
    assert book.path.read_text() == f"{ledger.text(first)}\n{line}\n{ledger.text(last)}\n"


def test_keys_that_no_field_has_are_left_out(book: Ledger) -> None:
    """They are of a newer tool, whose format this one reads."""
    release = releases.release(releases.image())
    document = json.loads(ledger.text(release))
    document["images"][0]["news"] = document["news"] = 1
    book.path.write_text(json.dumps(document))
    assert book.read() == (release,)


def test_a_ledger_that_cannot_be_written_costs_no_record(
    book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the error, to be added by hand."""
    first, last = releases.release(), releases.release()
    book.append(first)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", full)
    with pytest.raises(ToolError, match="releases.jsonl cannot be written: No space") as caught:
        book.append(last)
    assert ledger.text(last) in str(caught.value.hint)
    assert book.read() == (first,)


def test_a_link_to_a_ledger_stays_one(book: Ledger, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    book.path.symlink_to(elsewhere / "shared.jsonl")
    (elsewhere / "shared.jsonl").write_text("")
    release = releases.release()
    book.append(release)
    assert book.path.is_symlink()
    assert book.read() == (release,)


@pytest.mark.process
def test_runs_at_the_same_time_lose_no_record(book: Ledger) -> None:
    code = (
        "import pathlib, sys; from buildkit.ledger import ledger; from tests.support import releases\n"
        "book = ledger.Ledger(path=pathlib.Path(sys.argv[1]) / ledger.NAME)\n"
        "print('ready', flush=True); sys.stdin.read()\n"
        "for number in range(30):\n"
        "    book.append(releases.release(id=f'20261121T161654-{sys.argv[2]}{number:07}'))"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(book.path.parent), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in ("a", "b", "c")
    ]
    for run in runs:
        assert run.stdout is not None
        run.stdout.readline()
    for run in runs:
        assert run.stdin is not None
        run.stdin.close()
    assert [run.wait(HANG) for run in runs] == [0, 0, 0]
    for run in runs:
        assert run.stdout is not None
        run.stdout.close()
    assert [each.id for each in book.read()] == [
        f"20261121T161654-{n}{i:07}" for n in "abc" for i in range(30)
    ]


@pytest.mark.process
def test_a_run_that_is_killed_leaves_no_half_line(book: Ledger) -> None:
    """However long its record is."""
    code = (
        "import pathlib, sys; from buildkit.ledger import ledger; from tests.support import releases\n"
        "book = ledger.Ledger(path=pathlib.Path(sys.argv[1]) / ledger.NAME)\n"
        "big = releases.release(*[releases.image() for _ in range(5000)])\n"
        "print('now', flush=True)\n"
        "while True:\n"
        "    book.append(big); book.path.unlink()"
    )
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", code, str(book.path.parent)], stdout=subprocess.PIPE
        ) as run:
            assert run.stdout is not None
            run.stdout.readline()
            run.kill()
        assert len(book.read()) <= 1
        book.path.unlink(missing_ok=True)


def test_ids_are_unique_and_in_the_order_of_time() -> None:
    made = [make.release(Action.PUBLISH, None) for _ in range(300)]
    ids = [each.id for each in made]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    first = made[0]
    stamp = first.id.partition("-")[0]
    assert first.time == (
        f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[9:11]}:{stamp[11:13]}:{stamp[13:15]}Z"
    )


def test_an_image_on_record_is_what_was_published() -> None:
    origin = Origin(base="mirror.example/python:3.11-slim", base_digest=fakes.DIGEST, inputs="i")
    built = dataclasses.replace(fakes.built(), origin=origin)
    published = Published(
        verified=fakes.verified(built),
        digest=fakes.DIGEST,
        size=42,
        manifest_size=2,
        layers=(Layer(digest=releases.digest("e"), size=42),),
        locations=(
            Location(uri="one.example/demo:1.0-cpu-py311", pushed=True),
            Location(uri="two.example/demo:1.0-cpu-py311", pushed=False),
        ),
    )
    found = make.image(published)
    assert (found.target, found.repository, found.tag) == (
        "demo-1.0-cpu-py311", "demo", "1.0-cpu-py311",
    )  # fmt: skip
    assert (found.digest, found.config_digest) == (fakes.DIGEST, built.config_digest)
    assert (found.size, found.origin) == (42, origin)
    assert found.layers == ((releases.digest("e"), 42),)
    assert found.hosts == ("one.example", "two.example")
    assert found.verdict == Verdict(
        profile="smoke", suite="s", passed=1, warned=0, skipped=0, seconds=1.0
    )


def git(folder: Path, *arguments: str) -> None:
    env = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        **{
            f"GIT_{who}_{what}": "a@b.example"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, env=env, capture_output=True)


@pytest.mark.process
def test_a_commit_is_dirty_when_files_differ_from_it_but_not_for_the_ledger(tmp_path: Path) -> None:
    assert commit(tmp_path / ledger.NAME) is None
    project = tmp_path / "project"
    project.mkdir()
    git(tmp_path, "init", "--quiet")
    assert commit(project / ledger.NAME) is None  # nothing is committed yet
    for path in (project / "images.toml", project / ledger.NAME, tmp_path / "other"):
        path.write_text("one")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    clean = commit(project / ledger.NAME)
    assert clean is not None
    assert len(clean) == 40
    (project / ledger.NAME).write_text("two")
    (project / "new").write_text("not known to git")
    assert commit(project / ledger.NAME) == clean
    (tmp_path / "other").write_text("two")
    assert commit(project / ledger.NAME) == f"{clean}-dirty"


@pytest.mark.process
@pytest.mark.parametrize(
    ("key", "attributes"),
    [
        ("core.fsmonitor", ""),
        ("core.hooksPath", ""),
        ("filter.x.clean", "* filter=x"),
        ("filter.x=y.clean", "* filter=x=y"),
        ("filter.x.process", "* filter=x"),
    ],
)
def test_programs_of_a_foreign_folder_are_not_run(
    tmp_path: Path, key: str, attributes: str
) -> None:
    """A clone has no configuration of its own; what comes as an archive may."""
    project, ran = tmp_path / "project", tmp_path / "ran"
    project.mkdir()
    git(project, "init", "--quiet")
    (project / "images.toml").write_text("one")
    (project / ".gitattributes").write_text(attributes)
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "one")
    program = tmp_path / "hooks" / "post-index-change"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {ran}\ncat\n")
    program.chmod(0o755)
    value = program.parent if key.endswith("Path") else program
    git(project, "config", key, str(value))
    git(project, "config", "filter.x.required", "true")
    (project / "images.toml").write_text("two")
    found = commit(project / ledger.NAME)
    assert found is not None
    assert found.endswith("-dirty")
    assert not ran.exists()


def with_submodule(folder: Path) -> Path:
    """A project with a submodule `sub`, which has a file `a`."""
    project, other = folder / "project", folder / "other"
    for each in (project, other):
        each.mkdir()
        git(each, "init", "--quiet")
        (each / "a").write_text("one")
        git(each, "add", "--all")
        git(each, "commit", "--quiet", "--message", "one")
    git(
        project,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(other),
        "sub",
    )
    git(project, "commit", "--quiet", "--message", "two")
    return project


@pytest.mark.process
def test_programs_of_a_foreign_submodule_are_not_run(tmp_path: Path) -> None:
    project, ran = with_submodule(tmp_path), tmp_path / "ran"
    git(project / "sub", "config", "filter.only.clean", f"touch {ran}; cat")
    (project / ".git/modules/sub/info/attributes").write_text("* filter=only")
    os.utime(project / "sub" / "a", (1, 1))
    found = commit(project / ledger.NAME)
    assert found is not None
    assert len(found) == 40
    assert not ran.exists()


@pytest.mark.process
@pytest.mark.parametrize("change", ["file", "commit", "broken", "gone", "link"])
def test_a_commit_is_dirty_when_a_submodule_differs_from_it(tmp_path: Path, change: str) -> None:
    project = with_submodule(tmp_path)
    sub = project / "sub"
    clean = commit(project / ledger.NAME)
    (sub / "new").write_text("not known to git")
    assert commit(project / ledger.NAME) == clean
    match change:
        case "file":
            (sub / "a").write_text("two")
        case "commit":
            git(sub, "commit", "--quiet", "--allow-empty", "--message", "two")
        case "broken":  # git then takes the submodule for a folder of the project
            (sub / ".git").unlink()
            (sub / ".git").mkdir()
        case "gone":
            (sub / ".git").unlink()
        case _:  # a link
            git(project, "update-index", "--assume-unchanged", "sub")
            sub.rename(tmp_path / "away")
            sub.symlink_to(".")
    found = commit(project / ledger.NAME)
    assert found == (clean if change == "gone" else f"{clean}-dirty")


@pytest.mark.process
@pytest.mark.parametrize(
    ("where", "ignore", "change"),
    [
        *((".gitmodules", ignore, change) for ignore in ("all", "dirty", "untracked") for change in ("file", "commit", "staged")),
        *((".gitmodules", "all", change) for change in ("gone", "link", "beside")),
        *(("diff.ignoreSubmodules", "all", change) for change in ("file", "commit")),
        *(("both", ignore, "commit") for ignore in ("all", "none")),
    ],
)  # fmt: skip
def test_a_submodule_that_git_ignores_makes_no_commit_dirty(
    tmp_path: Path, where: str, ignore: str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    project = with_submodule(tmp_path)
    sub = project / "sub"
    if where in (".gitmodules", "both"):
        other = {"all": "none", "none": "all"}
        shared = other[ignore] if where == "both" else ignore
        git(project, "config", "--file", ".gitmodules", "submodule.sub.ignore", shared)
        git(project, "commit", "--quiet", "--all", "--message", "three")
    if where == "both":  # that of the clone counts
        git(project, "config", "submodule.sub.ignore", ignore)
    if where == "diff.ignoreSubmodules":
        git(project, "config", where, ignore)
    clean = commit(project / ledger.NAME)
    assert clean is not None
    assert len(clean) == 40
    match change:
        case "file":
            (sub / "a").write_text("two")
        case "commit" | "staged":
            git(sub, "commit", "--quiet", "--allow-empty", "--message", "two")
        case "gone":
            shutil.rmtree(sub)
        case "link":
            sub.rename(tmp_path / "away")
            sub.symlink_to(tmp_path / "away")
        case _:
            (project / "a").write_text("two")
    if change == "staged":
        git(project, "add", "sub")
    says = subprocess.run(
        ["git", "-C", str(project), "status", "--porcelain", "--untracked-files=no"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert commit(project / ledger.NAME) == (f"{clean}-dirty" if says else clean)


@pytest.mark.process
def test_where_git_is_missing_there_is_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit(tmp_path / ledger.NAME) is None


@pytest.mark.parametrize("wrong", ["1.0\nx", "1.0\x1b[2J", "1.0\u2028x"])
@pytest.mark.parametrize(
    "field", ["name", "version", "device", "python", "purpose", "target", "untried", "base", "tool"]
)
def test_a_word_of_a_record_that_would_break_its_row_is_refused(
    book: Ledger, field: str, wrong: str
) -> None:
    """`uri --list` and others print them as they are."""
    made = releases.image()
    match field:
        case "untried":
            made = releases.image(verdict=dataclasses.replace(made.verdict, untried=wrong))
        case "base":
            made = releases.image(origin=Origin(base=wrong))
        case "tool":
            pass
        case _:
            made = releases.image(**{field: wrong})
    changes: dict[str, Any] = {"tool": wrong} if field == "tool" else {}
    written(book, releases.release(made, **changes))
    with pytest.raises(ToolError, match=r"releases\.jsonl:1 is not a valid record"):
        book.read()
