"""`buildkit report`: where the catalogue goes, in which form, and what stops it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from buildkit import cli
from buildkit.ledger import ledger
from buildkit.support.errors import Exit
from tests.support import cataloguing

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cataloguing.make(tmp_path)
    return tmp_path


def report(folder: Path, *words: str) -> int:
    return cli.run(["report", "--file", str(folder / "images.toml"), *words])


def test_the_page_goes_into_dist(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(folder) == Exit.DONE
    said = capsys.readouterr()
    path = folder / "dist" / "catalogue.html"
    assert said.out == f"{path}\n"
    assert "catalogue of 34 images" in said.err
    assert path.read_text().startswith("<!doctype html>")


def test_a_long_report_says_so_before_the_work(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildkit.commands.report.LARGE", 11)
    assert report(folder) == Exit.DONE
    assert capsys.readouterr().err.startswith("making the catalogue: images.toml has 12 targets …")
    monkeypatch.setattr("buildkit.commands.report.LARGE", 12)
    assert report(folder) == Exit.DONE
    assert "making the catalogue" not in capsys.readouterr().err


def test_markdown_and_json_go_to_stdout(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(folder, "--markdown") == Exit.DONE
    assert capsys.readouterr().out.startswith("# Image catalogue\n")
    assert report(folder, "--json", "sklearn-1.6.1*") == Exit.DONE
    found = json.loads(capsys.readouterr().out)
    assert [each["id"] for each in found["entries"]] == [
        "sklearn-1.6.1-cpu-py311", "sklearn-1.6.1-cpu-py313",
    ]  # fmt: skip
    first = found["entries"][0]
    assert (first["state"], first["test"]["result"]) == ("published", "passed")
    assert first["release"]["locations"][0]["region"] == "eu-west-1"
    assert not (folder / "dist" / "catalogue.html").exists()


@pytest.mark.parametrize(
    ("words", "begin"),
    [((), "<!doctype"), (("--markdown",), "# Image"), (("--json",), "{")],
    ids=["HTML", "Markdown", "JSON"],
)
def test_each_form_goes_into_a_file(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], begin: str
) -> None:
    path = folder / "new" / "file"
    assert report(folder, *words, "-o", str(path)) == Exit.DONE
    assert path.read_text().startswith(begin)
    assert capsys.readouterr().out == f"{path}\n"


def test_only_one_form_at_a_time(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(folder, "--markdown", "--json") == Exit.USAGE
    assert "exclude each other" in capsys.readouterr().err


def test_a_name_that_means_nothing_selects_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(folder, "skleran") == Exit.NOTHING_SELECTED
    assert "sklearn" in capsys.readouterr().err


def test_a_broken_ledger_is_an_error_and_the_last_page_stays(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report(folder)
    before = (folder / "dist" / "catalogue.html").read_text()
    with (folder / ledger.NAME).open("a") as file:
        file.write("{\n")
    assert report(folder) == Exit.TOOL
    assert "releases.jsonl:4 is not a valid record" in capsys.readouterr().err
    assert (folder / "dist" / "catalogue.html").read_text() == before


def test_a_link_out_of_the_project_is_refused(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "catalogue.html"
    outside.write_text("theirs")
    (folder / "dist" / "catalogue.html").symlink_to(outside)
    assert report(folder) == Exit.USAGE
    assert outside.read_text() == "theirs"


def test_a_project_without_a_release_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cataloguing.make(tmp_path, published=False)
    assert report(tmp_path, "--markdown") == Exit.DONE
    assert "12 images: 12 not published" in capsys.readouterr().out
