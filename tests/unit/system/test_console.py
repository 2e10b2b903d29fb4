"""What others say commands neither a terminal nor a CI, on stderr, stdout and in reports."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from buildkit.model.image import Status
from buildkit.system import console, stopping
from buildkit.system.console import Answer
from buildkit.verify import junit, page
from tests.support import fakes

COMMANDS = frozenset(["error", "warning", "add-mask", "stop-commands", "group", "set-env"])
HOSTILE = (
    "::error file=x.py,line=1::injected",
    "  ::add-mask::a",
    "\t::stop-commands::token",
    "fine\n::error::x",
    "fine\r::error::x",
    "fine\x0b::error::x",
    "fine\u2028::error::x",
    "\u00a0\u3000::error::x",
    "\ufeff::error::x",
    "\u200b::error::x",
    "\x1b[0m::error::x",
    ":::error::x",
    "##[error]x",
    "text ##[add-mask]x",
    "###[error]x",
    "##[##[error]]x",
    "##vso[task.setvariable variable=PATH]x",
    "said ##teamcity[buildStop]",
    "\x1b[31mred\x1b]0;title\x07",
    "\u202egnp.exe",
    "\x9b31m",
    "\x1b[0Ksection_start:1:x\r",
)


def obeys(line: str) -> bool:
    """What GitHub's runner does with a line: `TryParseV2`, then `TryParse` of ActionCommand.cs."""
    trimmed = line.lstrip()
    end = trimmed.find("::", 2)
    if trimmed.startswith("::") and end > 0 and trimmed[2:end].partition(" ")[0] in COMMANDS:
        return True
    if (start := line.find("##[")) >= 0 and (end := line.find("]", start)) > 0:
        return line[start + 3 : end].partition(" ")[0] in COMMANDS
    return False


def lines(text: str) -> list[str]:
    """As whoever splits at most characters has them."""
    return text.splitlines()


def test_the_rules_of_the_runner_are_tried_at_all() -> None:
    assert sum(any(map(obeys, lines(text))) for text in HOSTILE) >= 10


@pytest.mark.parametrize("text", HOSTILE)
def test_what_commands_is_made_harmless(text: str) -> None:
    found = console.harmless(text)
    assert not any(map(obeys, lines(found)))
    assert "##vso[" not in found
    assert "##teamcity[" not in found
    assert all(each.isprintable() or each in "\n\t" for each in found)
    assert console.harmless(found) == found


@pytest.mark.parametrize(
    "text",
    ["std::vector::at", "[::]:8080", "a :: b", "## Heading [link](x)", "# [x]", "größe\tπ\n", ""],
)
def test_what_commands_nobody_stays_as_it_is(text: str) -> None:
    assert console.harmless(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_json_keeps_its_meaning(text: str) -> None:
    document = {"message": text, text: [text]}
    found = console.harmless(json.dumps(document, indent=2))
    assert json.loads(found) == document
    assert not any(map(obeys, lines(found)))


@pytest.mark.parametrize("text", HOSTILE)
def test_both_streams_are_harmless(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    console.step("demo", "said")
    console.say(text)
    console.fail("the step failed", details=text, hint=text)
    assert not any(map(obeys, lines(capsys.readouterr().err)))
    bare: Any = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    stdout = Answer(bare)
    print(text, file=stdout, flush=True)
    assert not any(map(obeys, lines(bare.buffer.getvalue().decode())))


@pytest.mark.parametrize("text", HOSTILE)
def test_reports_show_what_would_command_or_turn_text(text: str) -> None:
    report = fakes.report(fakes.clause(Status.FAIL, message=text))
    for document in (page.document([report]), junit.document([report])):
        assert all(each.isprintable() or each in "\n\t" for each in document)


def test_an_answer_has_no_second_end(monkeypatch: pytest.MonkeyPatch) -> None:
    bare: Any = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    stdout = Answer(bare)
    stdout.write("half")
    stdout.end("{}")
    stdout.flush()
    assert bare.buffer.getvalue() == b"half"


def test_an_interrupted_run_writes_only_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "is_asked", lambda: True)
    monkeypatch.setattr(stopping._asked, "is_set", lambda: True)
    bare: Any = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    stdout = Answer(bare)
    with pytest.raises(stopping.Interrupted):
        stdout.write("an answer")
    stdout.end("{}")
    assert bare.buffer.getvalue() == b"{}\n"
