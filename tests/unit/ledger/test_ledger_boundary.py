"""The ledger is a file of its project: no link leads out of it, unless the user allows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.shell_completion import ShellComplete

from buildkit import cli
from buildkit.config.boundary import around
from buildkit.ledger import ledger
from buildkit.support.errors import Exit, UsageError
from buildkit.uri import complete
from tests.support import projects, releases

if TYPE_CHECKING:
    from pathlib import Path

    Captured = pytest.CaptureFixture[str]

TARGET = "demo-1.0-cpu-py311"
MORE = """
template = "basic"
context = "program"
[registry]
account = "123456789012"
region = "eu-west-1"
"""
COMMANDS = [
    ["releases"],
    ["uri", "demo"],
    ["uri", "--list"],
    ["notes", "--no-packages"],
    ["diff", TARGET, TARGET],
    ["promote", TARGET, "--to", "demo:stable"],
    ["rollback", "demo:latest"],
    ["repo", "plan"],
    ["revise", "--all"],
    ["ci-matrix", "--all"],
    ["push", "--all"],
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """images.toml of a project in a git repository; beside it, a ledger of others."""
    folder = tmp_path / "repository" / "project"
    folder.mkdir(parents=True)
    (folder.parent / ".git").mkdir()
    projects.programs(folder / "program")
    (folder / "images.toml").write_text(projects.MINIMAL + MORE)
    line = ledger.text(releases.release(releases.image()))
    (tmp_path / "others.jsonl").write_text(f"{line}\n")
    (folder.parent / "shared.jsonl").write_text(f"{line}\n")
    return folder / "images.toml"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("name", ["others.jsonl", "absent.jsonl"])
def test_no_command_follows_a_link_out_of_the_project(
    file: Path, tmp_path: Path, capsys: Captured, words: list[str], name: str
) -> None:
    book = file.with_name("releases.jsonl")
    book.symlink_to(tmp_path / name)
    before = sorted(tmp_path.iterdir())
    assert cli.run([*words, "--file", str(file)]) == Exit.USAGE
    said = capsys.readouterr().err
    assert f"`{book}` leads to `{tmp_path / name}`, outside of `{tmp_path / 'repository'}`" in said
    assert "remove the link, or pass `--allow-outside`" in said
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("words", COMMANDS[:3], ids=" ".join)
def test_the_flag_opens_the_ledger(
    file: Path, tmp_path: Path, capsys: Captured, words: list[str]
) -> None:
    file.with_name("releases.jsonl").symlink_to(tmp_path / "others.jsonl")
    assert cli.run([*words, "--file", str(file), "--allow-outside"]) == Exit.DONE
    assert "demo" in capsys.readouterr().out


@pytest.mark.parametrize("words", COMMANDS[:3], ids=" ".join)
def test_projects_of_a_repository_may_share_a_ledger(
    file: Path, capsys: Captured, words: list[str]
) -> None:
    file.with_name("releases.jsonl").symlink_to("../shared.jsonl")
    assert cli.run([*words, "--file", str(file)]) == Exit.DONE
    assert "demo" in capsys.readouterr().out


def test_a_ledger_is_written_through_a_link_within_the_project_alone(
    file: Path, tmp_path: Path
) -> None:
    book = file.with_name("releases.jsonl")
    book.symlink_to("../shared.jsonl")
    ledger.beside(file, around(file.parent)).append(releases.release(releases.image()))
    assert book.is_symlink()
    assert len((tmp_path / "repository" / "shared.jsonl").read_text().splitlines()) == 2
    book.unlink()
    book.symlink_to(tmp_path / "absent.jsonl")
    with pytest.raises(UsageError, match="outside of"):
        ledger.beside(file, around(file.parent))
    ledger.beside(file, around(file.parent, open_=True)).append(releases.release())
    assert (tmp_path / "absent.jsonl").exists()


def test_an_explanation_goes_without_a_ledger_of_others(
    file: Path, tmp_path: Path, capsys: Captured
) -> None:
    file.with_name("releases.jsonl").symlink_to(tmp_path / "others.jsonl")
    uri = "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.3.0-gpu-py311"
    assert cli.run(["uri", "--explain", uri, "--file", str(file)]) == Exit.DONE
    said = capsys.readouterr()
    assert "warning: this project's images are ignored: " in said.err
    assert "owner" in said.out


def test_completion_reads_no_ledger_of_others(file: Path, tmp_path: Path, capsys: Captured) -> None:
    file.with_name("releases.jsonl").symlink_to(tmp_path / "others.jsonl")
    assert complete.complete("target", {"file": str(file)}, "demo") == []
    opened = {"file": str(file), "allow_outside": True}
    assert complete.complete("target", opened, "demo") == ["demo", TARGET]
    shell = ShellComplete(cli.cli, {}, "buildkit", "_BUILDKIT_COMPLETE")
    words = ["promote", "--file", str(file)]
    assert shell.get_completions(words, "demo") == []
    found = shell.get_completions([*words, "--allow-outside"], "demo")
    assert [each.value for each in found] == [TARGET]
    assert capsys.readouterr() == ("", "")
