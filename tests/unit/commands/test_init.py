"""`buildkit init`: what it asks, writes, prints, and refuses."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import yaml
from click.shell_completion import ShellComplete

from buildkit import cli
from buildkit.scaffold.kinds import KINDS
from buildkit.support import manual
from buildkit.support.errors import Exit
from buildkit.system import asking
from tests.support.sources import ROOT

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "churn"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    return folder


def written(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_an_empty_folder_becomes_a_project_for_a_script(here: Path, capsys: Captured) -> None:
    assert cli.run(["init"]) == Exit.DONE
    said = capsys.readouterr()
    assert {*said.out.split()} == written(here)
    assert "images.toml" in written(here)
    assert "code/train.py" in written(here)
    assert said.err == (
        "next:\n  buildkit build --all\n  buildkit run churn-1.0-cpu-py311 train\n"
        "  buildkit run churn-1.0-cpu-py311 serve\n"
    )
    assert cli.run(["list"]) == Exit.DONE


def test_a_folder_of_its_own_is_created(here: Path, capsys: Captured) -> None:
    assert cli.run(["init", "a b/c", "--kind", "algorithm", "--name", "acme"]) == Exit.DONE
    said = capsys.readouterr()
    assert "a b/c/program/train" in said.out.splitlines()
    assert (
        "  cd 'a b/c'\n  buildkit build --all\n  buildkit run acme-1.0-cpu-py311 train\n"
        in said.err
    )


def test_json_lists_the_files_and_the_next_commands(here: Path, capsys: Captured) -> None:
    (here / ".gitignore").write_text("x\n")
    assert cli.run(["init", "--kind", "studio", "--json"]) == Exit.DONE
    document = json.loads(capsys.readouterr().out)
    assert {*document.pop("files")} == written(here) - {".gitignore"}
    assert document == {
        "kind": "studio",
        "name": "churn",
        "folder": ".",
        "appended": [".gitignore"],
        "problems": [],
        "next": ["buildkit build --all"],
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kind", "r", "--from", "x:1"], "`--kind` and `--from` exclude each other"),
        (["--name", "Bad Name"], "`Bad Name` cannot be the name of an image"),
        (["--kind", "rust"], "'rust' is not one of"),
        (["--from", "./none"], "no such Dockerfile"),
    ],
)
def test_a_refusal_writes_nothing(
    words: list[str], message: str, here: Path, capsys: Captured
) -> None:
    assert cli.run(["init", *words]) == Exit.USAGE
    assert message in capsys.readouterr().err
    assert written(here) == set()


def test_a_project_that_exists_stays(here: Path, capsys: Captured) -> None:
    (here / "images.toml").write_text("mine")
    assert cli.run(["init"]) == Exit.USAGE
    assert "`images.toml` exists already" in capsys.readouterr().err
    assert written(here) == {"images.toml"}
    (here / "images.toml").rename(here / "code")
    assert cli.run(["init"]) == Exit.USAGE
    assert "because `code` exists already" in capsys.readouterr().err
    assert written(here) == {"code"}


def test_the_workflow_goes_to_the_root_of_the_repository(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    (here / ".git").mkdir()
    monkeypatch.setattr(manual, "_origin", lambda: ("https://github.com/people/tool", "a" * 40))
    assert cli.run(["init", "models/one", "--workflow"]) == Exit.DONE
    text = (here / ".github/workflows/images.yml").read_text()
    assert f"uses: people/tool/.github/workflows/release.yml@{'a' * 40}\n" in text
    assert '      folder: "models/one"\n' in text
    assert (
        "write your role and registry into .github/workflows/images.yml" in capsys.readouterr().err
    )
    monkeypatch.setattr(manual, "_origin", lambda: ("", ""))
    assert manual.on_github() is None
    assert (
        cli.run(["init", "models/two", "--workflow"]) == Exit.USAGE
    )  # one workflow for a repository
    assert "`../../.github/workflows/images.yml` exists already" in capsys.readouterr().err
    assert not (here / "models/two").exists()


def test_the_workflow_of_a_linked_folder_is_in_the_repository_that_it_leads_to(here: Path) -> None:
    (here / "repo/.git").mkdir(parents=True)
    (here / "repo/Ünï 😀").mkdir()
    (here / "deep/er").mkdir(parents=True)
    (here / "deep/er/link").symlink_to("../../repo/Ünï 😀")
    assert cli.run(["init", "deep/er/link", "--workflow"]) == Exit.DONE
    text = (here / "repo/.github/workflows/images.yml").read_text()
    (job,) = yaml.safe_load(text)["jobs"].values()
    assert job["with"]["folder"] == "Ünï 😀"
    assert not (here / "deep/er/.github").exists()


def test_an_empty_source_is_an_error(here: Path, capsys: Captured) -> None:
    assert cli.run(["init", "--from", ""]) == Exit.USAGE
    assert "`--from` is empty (is a shell variable unset?)" in capsys.readouterr().err
    assert not written(here)


def test_aws_s_images_are_those_of_the_own_region(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert cli.run(["init", "--kind", "extend"]) == Exit.DONE
    assert 'region = "eu-west-1"' in (here / "images.toml").read_text()
    assert "`build` needs AWS credentials" in capsys.readouterr().err


def test_what_is_wrong_with_a_dockerfile_is_said_at_once(here: Path, capsys: Captured) -> None:
    (here / "Dockerfile").write_text("FROM python:3.11-slim\nCOPY nothing /bin/\n")
    assert cli.run(["init", "--from", "Dockerfile"]) == Exit.DONE
    err = capsys.readouterr().err
    assert "`nothing`" in err
    assert err.endswith("next:\n  buildkit list\n")


def test_a_person_on_a_terminal_is_asked_for_kind_and_name(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    answers = iter(["4", "acme"])
    asked = []

    def ask(question: str, default: str, problem: object) -> str:
        asked.append((question, default))
        return next(answers)

    monkeypatch.setattr(asking, "is_possible", lambda: True)
    monkeypatch.setattr(asking, "ask", ask)
    assert cli.run(["init"]) == Exit.DONE
    assert asked == [("Kind", "script"), ("Name of the image", "churn")]
    assert "program/train.R" in written(here)
    assert "  4  r " in capsys.readouterr().err
    assert cli.run(["init", "two", "--kind", "script", "--name", "two"]) == Exit.DONE
    assert cli.run(["init", "three", "--json"]) == Exit.DONE  # a program asked
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("text", "found"),
    [("x\n\n", "default"), ("x\ny\n", "y"), ("  y \n", "y")],
)
def test_a_wrong_answer_is_asked_again(
    text: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    file = tmp_path / "answers"
    file.write_text(text)
    with file.open() as answers:
        monkeypatch.setattr(sys, "stdin", answers)
        assert asking.ask("Which", "default", lambda a: "not x" if a == "x" else None) == found
    assert ("not x" in capsys.readouterr().err) == text.startswith("x")


def test_the_end_of_answers_is_an_error(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(asking, "is_possible", lambda: True)
    with Path("/dev/null").open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert cli.run(["init"]) == Exit.USAGE
    assert "hint: answer with options" in capsys.readouterr().err
    assert written(here) == set()


def test_without_an_images_toml_the_way_to_one_is_named(here: Path, capsys: Captured) -> None:
    assert cli.run(["list"]) == Exit.USAGE
    assert "hint: start a project with `buildkit init`" in capsys.readouterr().err


def test_the_tutorial_shows_what_init_prints(here: Path, capsys: Captured) -> None:
    page = (ROOT / "docs/guide/start.md").read_text()
    shown = page.partition("$ buildkit init churn --kind script\n")[2].partition("```")[0]
    assert cli.run(["init", "churn", "--kind", "script"]) == Exit.DONE
    said = capsys.readouterr()
    assert said.out + said.err == shown


def test_a_shell_completes_kinds_and_files() -> None:
    shell = ShellComplete(cli.cli, {}, "buildkit", "_BUILDKIT_COMPLETE")
    assert [each.value for each in shell.get_completions(["init", "--kind"], "")] == [*KINDS]
    (item,) = shell.get_completions(["init", "--from"], "docker/D")
    assert (item.type, item.value) == ("file", "docker/D")


def test_help_and_manual_name_every_kind(capsys: Captured) -> None:
    assert cli.run(["init", "--help"]) == Exit.DONE
    text = capsys.readouterr().out
    page = (ROOT / "docs/reference/commands.md").read_text()
    table = page.partition("\n| KIND |")[2].partition("\n\n")[0]
    assert {*re.findall(r"^\| `(\w+)`", table, re.MULTILINE)} == {*KINDS}
    assert all(f"\n  {kind:<10}  " in text for kind in KINDS)
