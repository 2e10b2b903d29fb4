"""`buildkit doctor`: what people and programs read of the findings."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from buildkit import cli
from buildkit.doctor import doctor
from buildkit.doctor.finding import Finding, ok, problem, warning
from buildkit.support.errors import Exit
from tests.support.projects import MINIMAL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Captured = pytest.CaptureFixture[str]
FINE = ok("docker", "Docker 29.1.2")
BAD = problem("engine-absent", "no engine", "start it", details='{\n  "a": 1\n}')
ODD = warning("clock", "80 s", "set it")
FILE = problem("images-toml", "bad", "edit it", code=Exit.USAGE)


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Let the checks find this."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("buildkit.doctor.observe.observe", lambda _question: None)

    def find(*findings: Finding) -> None:
        monkeypatch.setattr(doctor, "examine", lambda _facts: findings)

    return find


def test_each_check_has_a_line_and_problems_with_their_fixes_are_last(
    says: Callable[..., None], capsys: Captured
) -> None:
    says(BAD, FINE, ODD)
    assert cli.run(["doctor"]) == Exit.TOOL
    said = capsys.readouterr()
    assert said.out == (
        "✗ problem  engine-absent  no engine\n"
        "✓ ok       docker         Docker 29.1.2\n"
        "! warning  clock          80 s\n"
        "\n"
        "warning clock: 80 s\n"
        "  fix: set it\n"
        "\n"
        "problem engine-absent: no engine\n"
        "  fix: start it\n"
        "  {\n"
        '    "a": 1\n'
        "  }\n"
        "\n"
        "3 checks: 1 problem, 1 warning\n"
    )
    assert said.err == ""


@pytest.mark.parametrize(
    ("findings", "code", "last"),
    [
        ((FINE,), Exit.DONE, "1 check: no problem found"),
        ((FINE, ODD), Exit.DONE, "2 checks: 0 problems, 1 warning"),
        ((FINE, FILE), Exit.USAGE, "2 checks: 1 problem, 0 warnings"),
        ((FILE, BAD), Exit.TOOL, "2 checks: 2 problems, 0 warnings"),
    ],
)
def test_the_exit_code_is_that_of_the_worst_problem(
    says: Callable[..., None],
    capsys: Captured,
    findings: tuple[Finding, ...],
    code: Exit,
    last: str,
) -> None:
    says(*findings)
    assert cli.run(["doctor"]) == code
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_the_same_as_json(says: Callable[..., None], capsys: Captured) -> None:
    says(FINE, BAD)
    assert cli.run(["doctor", "--json"]) == Exit.TOOL
    fine = {"name": "docker", "state": "ok", "found": "Docker 29.1.2", "fix": None, "details": None}
    bad = {"name": "engine-absent", "state": "problem", "found": "no engine", "fix": "start it"}
    assert json.loads(capsys.readouterr().out) == {
        "findings": [fine, {**bad, "details": BAD.details}],
        "code": 5,
    }


def test_a_terminal_without_the_signs_gets_others(
    says: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    says(FINE, replace(BAD, found="no … engine", details=""))
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    assert cli.run(["doctor"]) == Exit.TOOL
    sys.stdout.flush()
    first, second, *_ = written.getvalue().decode("ascii").splitlines()
    assert first.startswith("+ ok ")
    assert second.startswith("x problem ")
    assert second.endswith("no ? engine")


def test_what_cannot_be_checked_without_a_file_is_a_mistake(
    says: Callable[..., None], capsys: Captured, tmp_path: Path
) -> None:
    says(FINE)
    for arguments in (["demo"], ["--registry", "r.example"], ["--file", "absent.toml"]):
        code = cli.run(["doctor", *arguments])
        if arguments[0] == "--file":
            assert code == Exit.DONE  # it is a finding
        else:
            assert code == Exit.USAGE
            assert "images.toml not found" in capsys.readouterr().err
    (tmp_path / "images.toml").write_text(MINIMAL + "template = 'basic'\ncontext = '.'\n")
    for word in ("train", "serve"):
        (tmp_path / word).write_text("#!/bin/sh\n")
        (tmp_path / word).chmod(0o755)
    assert cli.run(["doctor", "demo"]) == Exit.DONE
    assert cli.run(["doctor", "nope"]) == Exit.NOTHING_SELECTED
    assert cli.run(["doctor", "--registry", "12.dkr.ecr.eu-west-1.amazonaws.com"]) == Exit.USAGE
