"""`buildkit cache` on a machine with and without an engine."""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pytest

from buildkit import cli
from buildkit.engine import build_cache, engine
from buildkit.engine.build_cache import Kind
from buildkit.support.errors import Exit, ToolError
from buildkit.system import cache, tempdirs
from buildkit.system.usage import Usage
from tests.support.projects import MINIMAL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Captured = pytest.CaptureFixture[str]
DAY = 24 * 60 * 60
TEXT = "FROM x"


class Builder:
    """The build cache of an engine, and how it was pruned."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pruned: list[tuple[int, int]] = []
        self.answers = True
        self.usage: dict[Kind, Usage] = {
            Kind.STEPS: Usage(entries=12, size=4_200_000_000),
            Kind.PACKAGES: Usage(entries=1, size=812_000_000),
            Kind.CONTEXTS: Usage(entries=3, size=999),
        }
        monkeypatch.setattr(engine, "connect", self.connect)
        monkeypatch.setattr(build_cache, "usage", lambda _: self.usage)
        monkeypatch.setattr(build_cache, "prune", self.prune)

    @contextmanager
    def connect(self) -> Iterator[Any]:
        if not self.answers:
            raise ToolError("no Docker engine answers at nowhere", hint="start Docker")
        yield self

    def prune(self, _engine: object, older_than: int, keep: int) -> Usage:
        self.pruned.append((older_than, keep))
        return Usage(entries=12, size=4_200_000_000)


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Builder:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tempdirs.sweep.cache_clear()
    return Builder(monkeypatch)


@pytest.fixture
def kept() -> dict[int, Path]:
    """Two texts by the days since their use."""
    found = {}
    for letter, days in (("a", 1), ("b", 40)):
        cache.keep(cache.Kind.DOCKERFILES, letter * 64, TEXT)
        found[days] = cache.folder() / "dockerfiles" / (letter * 64)
        os.utime(found[days], (time.time() - days * DAY,) * 2)
    return found


def test_the_size_of_all_that_is_kept(
    builder: Builder, kept: dict[int, Path], tmp_path: Path, capsys: Captured
) -> None:
    left = tmp_path / "buildkit-000000000000-1-abc"
    left.mkdir()
    (left / "plan.json").write_bytes(bytes(1500))
    os.utime(left, (time.time() - 2 * DAY,) * 2)
    assert cli.run(["cache", "size"]) == Exit.DONE
    assert capsys.readouterr().out == (
        "WHERE         WHAT                        ENTRIES  KEPT\n"
        "this machine  rendered Dockerfiles        2        14 B\n"
        "this machine  inputs of published images  0        0 B\n"
        "this machine  files of killed runs        1        1.5 kB\n"
        "engine        build steps                 12       4.2 GB\n"
        "engine        downloaded packages         1        812.0 MB\n"
        "engine        build contexts              3        999 B\n"
    )
    assert all(path.exists() for path in (*kept.values(), left))
    assert builder.pruned == []


@pytest.mark.parametrize(
    ("options", "asked", "gone"),
    [
        ("", (30 * DAY, 0), [40]),
        ("--older-than 7d", (7 * DAY, 0), [40]),
        ("--older-than 12h", (DAY // 2, 0), [1, 40]),
        ("--older-than 8w --keep 500mb", (56 * DAY, 500 * 10**6), []),
        ("--keep 20GB", (0, 20 * 10**9), []),
    ],
)
def test_what_was_not_used_is_freed(
    options: str,
    asked: tuple[int, int],
    gone: list[int],
    builder: Builder,
    kept: dict[int, Path],
) -> None:
    assert cli.run(["cache", "prune", *options.split()]) == Exit.DONE
    assert builder.pruned == [asked]
    assert [days for days, path in kept.items() if not path.exists()] == gone


def test_what_was_freed_is_named(builder: Builder, kept: dict[int, Path], capsys: Captured) -> None:
    assert cli.run(["cache", "prune", "--json"]) == Exit.DONE
    freed = json.loads(capsys.readouterr().out)["freed"]
    assert [*map(itemgetter("what"), freed)] == ["dockerfiles", "identities", "left", "builder"]
    assert freed[0] == {
        "where": "this machine",
        "what": "dockerfiles",
        "entries": 1,
        "bytes": len(f"{TEXT}\n"),
    }
    assert freed[-1] == {
        "where": "engine",
        "what": "builder",
        "entries": 12,
        "bytes": 4_200_000_000,
    }


def test_what_killed_runs_have_left_goes_whatever_its_age(
    builder: Builder, tmp_path: Path, capsys: Captured
) -> None:
    left = tmp_path / f"{tempdirs.prefix().rpartition('-')[0].rpartition('-')[0]}-{2**22 + 1}-abc"
    left.mkdir()
    assert cli.run(["cache", "prune"]) == Exit.DONE
    assert not left.exists()
    assert "files of killed runs        1        0 B" in capsys.readouterr().out
    assert len(builder.pruned) == 1


@pytest.mark.parametrize("name", ["size", "prune"])
def test_without_an_engine_this_machine_is_looked_after_and_the_command_fails(
    name: str, builder: Builder, kept: dict[int, Path], capsys: Captured
) -> None:
    builder.answers = False
    assert cli.run(["cache", name, "--json"]) == Exit.TOOL
    said = capsys.readouterr()
    found = json.loads(said.out)
    (rows, error) = found.values()
    assert {row["where"] for row in rows} == {"this machine"}
    assert error["message"] == "no Docker engine answers at nowhere"
    assert "hint: start Docker" in said.err
    assert kept[40].exists() == (name == "size")


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--older-than", "30"], "`30` is no age\nhint: write it like `12h` or `30d`"),
        (["--older-than", "-1d"], "`-1d` is no age"),
        (["--keep", "20"], "`20` is no size\nhint: write it like `500MB` or `20GB`"),
        (["--keep", "1.5GB"], "`1.5GB` is no size"),
    ],
)
def test_an_amount_without_a_unit_is_refused(
    options: list[str], wanted: str, builder: Builder, kept: dict[int, Path], capsys: Captured
) -> None:
    assert cli.run(["cache", "prune", *options]) == Exit.USAGE
    assert wanted in capsys.readouterr().err
    assert builder.pruned == []
    assert all(path.exists() for path in kept.values())


def test_a_first_run_has_nothing_to_load(
    builder: Builder, tmp_path: Path, capsys: Captured
) -> None:
    builder.answers = False
    for name in (".", "absent"):
        assert cli.run(["cache", "load", str(tmp_path / name)]) == Exit.DONE
        said = capsys.readouterr()
        assert "has no packages" in said.err
        assert said.out == "loaded 0 B of packages\n"


def test_a_project_without_packages_has_nothing_to_save(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    (tmp_path / "images.toml").write_text(MINIMAL + "template = 'extend'\n")
    monkeypatch.chdir(tmp_path)
    assert cli.run(["cache", "save", "wheels", "--json"]) == Exit.DONE
    said = capsys.readouterr()
    assert "no selected target installs packages with pip" in said.err
    assert json.loads(said.out) == {"folder": str(tmp_path / "wheels"), "bytes": 0}
    assert not (tmp_path / "wheels").exists()
