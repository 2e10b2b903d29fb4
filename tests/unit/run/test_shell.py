"""A shell instead of a program."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from buildkit.commands import run_serve
from buildkit.contract.jobs import training_runs
from buildkit.run import shell
from buildkit.support.errors import Exit
from buildkit.system import shell as system

if TYPE_CHECKING:
    import pytest


def test_closed_streams_are_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    found = shell.instead_of(training_runs.TRAIN)
    assert not found.terminal


def test_an_answer_without_a_stdout_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = SimpleNamespace(body=b"1", status=200, content_type="text/csv", seconds=0.1)
    payload = SimpleNamespace(body="x.csv", content_type="text/csv", accept=None)
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(run_serve, "named", lambda _: "x.csv")
    given = cast("Any", (SimpleNamespace(as_json=False), None, answer, payload))
    assert run_serve._answered(*given) == Exit.DONE


def test_the_exit_code_of_the_shell_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "attached", lambda *_: 3)
    container = SimpleNamespace(id="c", wait=lambda _: 3)
    engine = SimpleNamespace(view=lambda _: SimpleNamespace(entrypoint=("sh",)))
    image = SimpleNamespace(reference="x", name="x")
    assert shell.attach(*cast("Any", (container, engine, image, "train"))) == 3
