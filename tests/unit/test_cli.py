"""The command line, in the process of the test: what ends how, what goes where."""

from __future__ import annotations

import errno
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from buildkit import cli
from buildkit.support.errors import Exit
from buildkit.system import stopping
from tests.support.projects import MINIMAL, programs

if TYPE_CHECKING:
    from collections.abc import Iterator

BASIC = MINIMAL + "template = 'basic'\ncontext = 'program'\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "images.toml").write_text(BASIC)
    programs(tmp_path / "program")
    monkeypatch.chdir(tmp_path)
    for name in ("BUILDKIT_REGISTRY", "BUILDKIT_SUBSTITUTE", "PIP_CERT", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_with_an_example(name: str, capsys: Captured) -> None:
    assert cli.run([name, "--help"]) == Exit.DONE
    said = capsys.readouterr()
    assert "Example" in said.out
    assert f"buildkit {name}" in said.out
    assert said.err == ""


def test_help_lists_every_command_under_a_heading(capsys: Captured) -> None:
    assert cli.run(["--help"]) == Exit.DONE
    found: dict[str, list[str]] = {}
    for line in capsys.readouterr().out.partition("\nOptions:")[2].splitlines():
        if title := re.fullmatch(r"([A-Z]\w+):", line):
            found[title[1]] = []
        elif command := re.match(r"  ([a-z][a-z-]*)  ", line):
            found[[*found][-1]].append(command[1])
    assert found == {title: [*group] for title, group in cli.GROUPS.items()}


def parameters(command: click.Command) -> Iterator[click.Parameter]:
    yield from command.params
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from parameters(each)


NO_VERBS = {
    "A",
    "An",
    "At",
    "Every",
    "For",
    "Of",
    "On",
    "One",
    "Only",
    "The",
    "What",
    "Where",
    "With",
}


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_help_text_is_an_imperative_sentence(name: str) -> None:
    command = cli.cli.get_command(click.Context(cli.cli), name)
    assert command is not None
    texts = [each.help or "" for each in parameters(command) if isinstance(each, click.Option)]
    texts += [
        command.help or "",
        *(text for group in cli.GROUPS.values() for text in group.values()),
    ]
    for text in texts:
        sentence = text.partition("  [default: ")[0]
        assert sentence[:1].isupper(), text
        assert sentence.rstrip().endswith("."), text
        assert sentence.split()[0].rstrip(",.") not in NO_VERBS, text


@pytest.mark.parametrize(
    ("arguments", "code", "wanted"),
    [
        (["list", "nothing*"], Exit.NOTHING_SELECTED, "no target matches `nothing*`"),
        (["list", "--file", "absent.toml"], Exit.USAGE, "absent.toml not found"),
        (["build"], Exit.USAGE, "no target is selected"),
        (["build", "--all", "demo*"], Exit.USAGE, "exclude each other"),
        (["build", "--all", "--jobs", "0"], Exit.USAGE, "--jobs"),
        (["build", "--all", "--substitute", "x"], Exit.USAGE, "`--substitute x`"),
        (["build", "--all", "--ca-bundle", "absent"], Exit.USAGE, "absent"),
        (["push"], Exit.USAGE, "no target is selected"),
        (["uri"], Exit.USAGE, "no image given"),
        (["uri", "demo*"], Exit.NOTHING_SELECTED, "no published images"),
        (["render", "--check"], Exit.TEMPLATE, "+FROM scratch AS wheels"),
        (["test", "x", "--file", "absent.toml"], Exit.USAGE, "absent.toml not found"),
        (["test", "x", "--clause", "SERVE-2"], Exit.NOTHING_SELECTED, "did you mean: `SERVE-02`"),
        (
            ["test", "x", "--clause", "OUT-06", "--profile", "smoke"],
            Exit.USAGE,
            "not in the profile",
        ),
        (["test", "x", "--clause", "RUN-06"], Exit.USAGE, "RUN-06 cannot be checked"),
        (["test", "x", "--html", "a", "--junit", "a"], Exit.USAGE, "two different files"),
        (["test", "x", "--html", "absent/a"], Exit.USAGE, "absent/a cannot be written"),
        (["test", "x", "--html", "/proc/a"], Exit.USAGE, "/proc/a cannot be written"),
        (["test", "x", "--html", ""], Exit.USAGE, "report file is empty"),
        (["test", "x" * 5000], Exit.USAGE, "too long"),
        (["nosuch"], Exit.USAGE, "unknown command `nosuch`"),
        (["render", "--output", "x" * 300], Exit.USAGE, "too long"),
        (["render", "--check", "--output", "x" * 300], Exit.USAGE, "a name is too long for a file"),
        (["list", "--file", "x" * 300], Exit.USAGE, "File name too long"),
        (["list", "--nosuch"], Exit.USAGE, "error: no such option"),
        (["list", "--nosuch"], Exit.USAGE, "\nhint: `buildkit list --help`\n"),
        (
            ["completion"],
            Exit.USAGE,
            "Choose from: bash, zsh, fish\nhint: `buildkit completion --help`\n",
        ),
        (["uri", "--explain"], Exit.USAGE, "\nhint: `buildkit uri --help`\n"),
        (["repo", "plan", "--bogus"], Exit.USAGE, "\nhint: `buildkit repo plan --help`\n"),
        (["repo"], Exit.USAGE, "\n  plan   Show the changes"),
        (["repo", "plan", "--registry", "x/y"], Exit.USAGE, "hint: pass `HOST` or `HOST:PORT`"),
    ],
)
def test_a_mistake_ends_with_its_code_and_a_message_on_stderr(
    project: Path, arguments: list[str], code: Exit, wanted: str, capsys: Captured
) -> None:
    assert cli.run(arguments) == code
    said = capsys.readouterr()
    assert wanted in said.err
    assert said.out == ""
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["list", "--nosuch"], ("usage", "no such option", "`buildkit list --help`")),
        (["nosuch"], ("usage", "unknown command", "`buildkit --help`")),
        (["build", "--jobs", "x"], ("usage", "is not a valid", "`buildkit build --help`")),
        (["build"], ("usage", "no target is selected", "--all")),
        (["list", "--file", "absent.toml"], ("usage", "absent.toml", "--file")),
        (["list", "--file", "bad.toml"], ("usage", "image.demo.versions", "bad.toml")),
        (["list", "x*"], ("nothing-selected", "no target", "buildkit list")),
        (["render", "--check"], ("template", "+FROM scratch", "`buildkit render`")),
        (["releases"], ("tool", "releases.jsonl:1", "fix or remove")),
        (["notes"], ("tool", "releases.jsonl:1", "fix or remove")),
        (["uri", "demo"], ("tool", "releases.jsonl:1", "fix or remove")),
        (["explain", "XX-1"], ("nothing-selected", "XX-1", "explain")),
    ],
)
def test_with_json_an_error_is_an_answer(
    project: Path, arguments: list[str], wanted: tuple[str, str, str], capsys: Captured
) -> None:
    kind, message, hint = wanted
    (project / "releases.jsonl").write_text("{")
    (project / "bad.toml").write_text("[image.demo]\nversions = 1\n")
    code = Exit[kind.upper().replace("-", "_")]
    assert cli.run([*arguments, "--json"]) == code
    said = capsys.readouterr()
    error = json.loads(said.out)["error"]
    assert list(error) == ["kind", "message", "hint", "code"]
    assert (error["kind"], error["code"]) == (kind, code)
    assert message in error["message"]
    assert hint in error["hint"]
    assert message in said.err
    assert cli.run(arguments) == code
    assert capsys.readouterr().out == ""


def test_with_json_a_bug_is_an_answer(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr("buildkit.matrix.matrix.expand", lambda *_, **__: 1 / 0)
    monkeypatch.delenv("BUILDKIT_TRACEBACK", raising=False)
    assert cli.run(["list", "--json"]) == Exit.BUG
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["kind"], error["code"]) == ("bug", 1)


def test_every_exit_code_is_in_every_list_of_them(capsys: Captured) -> None:
    root = Path(__file__).parents[2]
    assert cli.run(["--help"]) == Exit.DONE
    told = " ".join(capsys.readouterr().out.split()).partition("Exit codes: ")[2]
    codes = [int(each.split()[0]) for each in told.rstrip(".").split(", ") if each[0].isdigit()]
    assert codes == [*Exit]
    for name in ("README.md", "docs/reference/exit-codes.md"):
        rows = re.findall(r"^\| ([0-9]+) \|", (root / name).read_text(), re.MULTILINE)
        assert [int(each) for each in rows] == [*Exit], name


def test_every_command_but_completion_answers_with_json() -> None:
    """As docs/reference/commands.md says."""
    context = click.Context(cli.cli)
    without = []
    for name in cli.COMMANDS:
        command = cli.cli.get_command(context, name)
        parts = command.commands if isinstance(command, click.Group) else {"": command}
        for part, one in parts.items():
            if one and not any("--json" in each.opts for each in one.params):
                without.append(f"{name} {part}".strip())
    assert without == ["config schema", "completion"]
    text = (Path(__file__).parents[2] / "docs" / "reference" / "commands.md").read_text()
    assert "| `--json` | all but `completion`; `config schema` is JSON anyway |" in text


def test_an_error_of_the_operating_system_says_so(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("buildkit.matrix.matrix.expand", full)
    assert cli.run(["list"]) == Exit.TOOL
    said = capsys.readouterr().err
    assert "operating system error: [Errno 28] No space left on device" in said
    assert "hint: free disk space, or fix the permissions" in said


def test_every_kind_of_error_has_a_name() -> None:
    kinds = {each.name.lower().replace("_", "-") for each in Exit} - {"done"}
    text = (Path(__file__).parents[2] / "docs" / "reference" / "commands.md").read_text()
    assert all(f"`{kind}`" in text for kind in kinds)


def test_list_prints_a_table_or_json(project: Path, capsys: Captured) -> None:
    assert cli.run(["list"]) == Exit.DONE
    assert capsys.readouterr().out.splitlines()[1].split() == [
        "demo-1.0-cpu-py311", "demo:1.0-cpu-py311", "both", "python:3.11-slim",
    ]  # fmt: skip
    assert cli.run(["list", "--json"]) == Exit.DONE
    (target,) = json.loads(capsys.readouterr().out)
    assert (target["id"], target["tag"]) == ("demo-1.0-cpu-py311", "1.0-cpu-py311")
    assert target["packages"] == []


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("account = '123456789012'", ":1: registry: no `region`: "),
        ("host = 'a.example'\n[[registry.copies]]\nhost = 'a.example'", ".0: this registry is nam"),
        (
            "account = '12'\n[[registry.copies]]\nregion = 'eu-west-1'",
            ":2: registry.account: '12' ",
        ),
    ],
)
def test_list_checks_the_registries_and_names_each_cause_alone(
    project: Path, capsys: Captured, table: str, problem: str
) -> None:
    (project / "images.toml").write_text(f"[registry]\n{table}\n{BASIC}")
    assert cli.run(["list"]) == Exit.USAGE
    said = capsys.readouterr().err
    assert "error: 1 problem in images.toml" in said
    assert problem in said


def test_list_tells_of_a_framework_that_nobody_mends(project: Path, capsys: Captured) -> None:
    (project / "images.toml").write_text(BASIC + "end-of-life = '2023-09'\n")
    assert cli.run(["list"]) == Exit.DONE
    assert capsys.readouterr().out.rstrip().endswith("end of life 2023-09")
    assert cli.run(["list", "--json"]) == Exit.DONE
    assert json.loads(capsys.readouterr().out)[0]["end_of_life"] == "2023-09"


def test_list_shows_what_is_not_locked_and_not_reproducible(
    project: Path, capsys: Captured
) -> None:
    (project / "images.toml").write_text(MINIMAL + "lock = false\n")
    template = project / "templates" / "demo.Dockerfile.j2"
    template.parent.mkdir(exist_ok=True)
    template.write_text("FROM {{ target.base }}\n{# not reproducible: it has the date #}\n")
    assert cli.run(["list"]) == Exit.DONE
    notes = "packages not locked; not reproducible: it has the date"
    assert capsys.readouterr().out.rstrip().endswith(notes)
    assert cli.run(["list", "--json"]) == Exit.DONE
    (target,) = json.loads(capsys.readouterr().out)
    assert (target["lockable"], target["not_reproducible"]) == (False, "it has the date")


def test_render_writes_and_then_checks(project: Path, capsys: Captured) -> None:
    assert cli.run(["render"]) == Exit.DONE
    path = project / "dockerfiles" / "demo-1.0-cpu-py311" / "Dockerfile"
    assert capsys.readouterr().out == f"{path}\n"
    assert cli.run(["render", "--check"]) == Exit.DONE
    path.write_text(path.read_text().replace("EXPOSE 8080", "EXPOSE 9090"))
    assert cli.run(["render", "--check"]) == Exit.TEMPLATE
    said = capsys.readouterr().err
    assert "-EXPOSE 9090" in said
    assert "+EXPOSE 8080" in said
    assert "EXPOSE 9090" in path.read_text()


def test_render_check_names_what_has_no_target_any_more(project: Path, capsys: Captured) -> None:
    assert cli.run(["render"]) == Exit.DONE
    (project / "images.toml").write_text(BASIC.replace("1.0", "2.0"))
    assert cli.run(["render", "demo*"]) == Exit.DONE
    assert cli.run(["render", "--check"]) == Exit.TEMPLATE
    assert "demo-1.0-cpu-py311/Dockerfile: its target is not in" in capsys.readouterr().err


def test_a_plan_is_printed_and_nothing_is_touched(project: Path, capsys: Captured) -> None:
    before = sorted(project.rglob("*"))
    assert cli.run(["build", "--all", "--bake-plan"]) == Exit.DONE
    plan = json.loads(capsys.readouterr().out)
    assert list(plan["target"]) == ["demo-1_0-cpu-py311"]
    assert sorted(project.rglob("*")) == before


def test_a_bug_is_called_one(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr("buildkit.matrix.matrix.expand", lambda *_, **__: 1 / 0)
    monkeypatch.delenv("BUILDKIT_TRACEBACK", raising=False)
    assert cli.run(["list"]) == Exit.BUG
    assert "this is a bug in buildkit: ZeroDivisionError" in capsys.readouterr().err


def test_an_interrupt_has_its_code(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise stopping.Interrupted

    monkeypatch.setattr("buildkit.matrix.matrix.expand", interrupted)
    assert cli.run(["list"]) == Exit.INTERRUPTED


def test_a_login_never_shows_its_password() -> None:
    from buildkit.model.login import Login

    assert "hunter2" not in f"{Login(user='AWS', password='hunter2')!r}"


@pytest.mark.parametrize("image", ["", "BAD IMAGE!!", "a b"])
def test_what_can_be_no_image_is_refused_before_an_engine_is_asked(
    project: Path, image: str, capsys: Captured
) -> None:
    assert cli.run(["test", image]) == Exit.USAGE
    assert "is not an image reference" in capsys.readouterr().err


def test_a_pattern_without_images_toml_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["test", "sklearn*"]) == Exit.USAGE
    said = capsys.readouterr().err
    assert "`sklearn*` is not an image, and images.toml not found" in said
    assert "--file" in said


def test_what_is_said_cannot_command_the_terminal(project: Path, capsys: Captured) -> None:
    assert cli.run(["list", "\x1b]0;owned\x07"]) == Exit.NOTHING_SELECTED
    assert "\x1b" not in capsys.readouterr().err
