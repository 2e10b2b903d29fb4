"""`buildkit explain`: every clause can be looked up, by people, scripts and shells."""

from __future__ import annotations

import json

import pytest
from click.shell_completion import ShellComplete

from buildkit import cli
from buildkit.contract import clauses, suite
from buildkit.support.errors import Exit

Captured = pytest.CaptureFixture[str]


def test_without_an_id_all_clauses_are_listed(capsys: Captured) -> None:
    assert cli.run(["explain"]) == Exit.DONE
    said = capsys.readouterr()
    assert said.err == ""
    header, *rows = said.out.splitlines()
    assert header.split() == ["ID", "LEVEL", "TITLE"]
    assert [row.split(maxsplit=2) for row in rows] == [
        [each.id, each.level.value, each.title] for each in clauses.clauses().values()
    ]
    assert len(rows) == 191


@pytest.mark.parametrize("id_", list(clauses.clauses()))
def test_each_clause_is_told_whole(id_: str, capsys: Captured) -> None:
    clause = clauses.clauses()[id_]
    assert cli.run(["explain", id_.lower()]) == Exit.DONE
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith(f"{clause.id} {clause.level.value} {clause.title} demand ")
    for text in (
        clause.demand,
        clause.hint,
        clause.unchecked,
        clause.source,
        clause.read,
        *suite.how(id_),
    ):
        assert " ".join(text.split()) in said
    assert clause.feature is None or f"images that promise {clause.feature.value}" in said


def test_lines_fit_a_terminal_and_addresses_stay_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert cli.run(["explain", *clauses.clauses()]) == Exit.DONE
    prose = (line for line in capsys.readouterr().out.splitlines() if line.startswith("   "))
    assert not [line for line in prose if len(line) > 60 and " " in line.strip()]


def test_several_clauses_are_told_once_each_as_json(capsys: Captured) -> None:
    assert cli.run(["explain", "out-01", "MME-03", "OUT-01", "--json"]) == Exit.DONE
    first, second = json.loads(capsys.readouterr().out)
    assert first == {
        "id": "OUT-01",
        "level": "required",
        "title": clauses.clauses()["OUT-01"].title,
        "demand": clauses.clauses()["OUT-01"].demand,
        "feature": None,
        "checked": list(suite.how("OUT-01")),
        "unchecked": "",
        "hint": clauses.clauses()["OUT-01"].hint,
        "source": clauses.clauses()["OUT-01"].source,
        "read": clauses.clauses()["OUT-01"].read,
    }
    assert (second["id"], second["feature"]) == ("MME-03", "multi-model")


@pytest.mark.parametrize(
    ("asked", "named", "hint"),
    [
        pytest.param(["OUT01"], "`OUT01`", "did you mean: `OUT-01`", id="near an id"),
        pytest.param(
            ["RUN-01", "zzz"], "`ZZZ`", "`buildkit explain` lists all clauses", id="near none"
        ),
        pytest.param(["SERV-03", "zzz"], "`SERV-03`, `ZZZ`", "SERVE-03", id="several at once"),
        pytest.param(["NOPE-1"], "`NOPE-1`", "lists all clauses", id="somewhat like PIPE-01"),
        pytest.param(["NOPE-01"], "`NOPE-01`", "lists all clauses", id="no more like it"),
        pytest.param(["TRE-3"], "`TRE-3`", "did you mean: `TREE-03`", id="two slips"),
        pytest.param(["OUT-99"], "`OUT-99`", "OUT-0", id="of a known group"),
        pytest.param(["serve-1"], "`SERVE-1`", "did you mean: `SERVE-01`", id="without a zero"),
        pytest.param(
            ["RUN-0"], "`RUN-0`", "did you mean: `RUN-01`, `RUN-02`, `RUN-03`", id="near numbers"
        ),
        pytest.param(
            ["IMG"], "`IMG`", "did you mean: `IMG-01`, `IMG-02`, `IMG-03`, `IMG-04`,", id="a group"
        ),
        pytest.param([""], "``", "lists all clauses", id="nothing at all"),
    ],
)
def test_an_unknown_id_is_refused_with_the_nearest(
    asked: list[str], named: str, hint: str, capsys: Captured
) -> None:
    assert cli.run(["explain", *asked]) == Exit.NOTHING_SELECTED
    said = capsys.readouterr()
    assert said.out == ""
    assert f"error: the contract has no clause {named}\n" in said.err
    assert hint in said.err


@pytest.mark.parametrize("typed", ["OUT-0", "out-0"])
def test_a_shell_completes_ids(typed: str) -> None:
    shell = ShellComplete(cli.cli, {}, "buildkit", "_BUILDKIT_COMPLETE")
    found = [each.value for each in shell.get_completions(["explain"], typed)]
    assert found
    assert all(each.startswith("OUT-0") for each in found)
