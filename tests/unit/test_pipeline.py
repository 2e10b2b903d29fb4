from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING

import pytest

from buildkit import pipeline, records
from buildkit.config.boundary import Boundary
from buildkit.contract.checks import TooBusy
from buildkit.model.image import Location, Published
from buildkit.model.outcome import Outcome
from buildkit.pipeline import Choice
from buildkit.support.errors import ContractError, Exit, TemplateError, ToolError, worst
from buildkit.system import stopping
from buildkit.verify import fingerprint, gate, verify
from tests.support import fakes, projects

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.model.image import Report

TARGETS = projects.targets(projects.MINIMAL.replace('"1.0"', '"1", "2", "3"'))
ONE = Choice(jobs=1)


def done(target: object, _item: object) -> Outcome:
    return Outcome(target=target)  # type: ignore[arg-type]


def test_outcomes_come_in_the_order_of_the_targets() -> None:
    items = [(target, "built") for target in reversed(TARGETS)]
    outcomes = pipeline.each(TARGETS, items, done, ONE)
    assert [outcome.target for outcome in outcomes] == list(TARGETS)


def test_a_target_that_fails_does_not_stop_the_others() -> None:
    one, two, three = TARGETS
    items = [(one, ToolError("no")), (two, "built"), (three, "built")]

    def work(target: object, item: object) -> Outcome:
        if target is two:
            raise ContractError("bad")
        return done(target, item)

    outcomes = pipeline.each(TARGETS, items, work, ONE)
    assert [type(outcome.error) for outcome in outcomes] == [ToolError, ContractError, type(None)]


def test_fail_fast_begins_nothing_after_the_first_failure() -> None:
    one, two, three = TARGETS
    items = [(one, ToolError("no")), (two, "built"), (three, "built")]
    choice = Choice(jobs=1, fail_fast=True)
    assert [outcome.target for outcome in pipeline.each(TARGETS, items, done, choice)] == [one]


def test_fail_fast_ends_also_when_others_wait_for_their_turn() -> None:
    def work(target: object, _item: object) -> Outcome:
        return Outcome(target=target, error=ContractError("bad"))  # type: ignore[arg-type]

    choice = Choice(jobs=1, fail_fast=True)
    outcomes = pipeline.each(
        TARGETS * 20, [(target, "built") for target in TARGETS * 20], work, choice
    )
    assert outcomes[0].target is TARGETS[0]


def test_an_interrupted_run_has_no_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What breaks because its connections were ended is no failure of the target."""
    asked = threading.Event()
    monkeypatch.setattr(stopping, "_asked", asked)

    def work(target: object, item: object) -> Outcome:
        asked.set()
        raise ToolError("the connection is gone")

    items = [(target, "built") for target in TARGETS]
    with pytest.raises(stopping.Interrupted):
        pipeline.each(TARGETS, items, work, ONE)


def test_a_bug_fails_its_own_target_and_is_called_one(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, _ = TARGETS

    def work(target: object, item: object) -> Outcome:
        if target is one:
            raise ZeroDivisionError
        return done(target, item)

    items = [(one, "built"), (two, "built")]
    monkeypatch.delenv("BUILDKIT_TRACEBACK", raising=False)
    bad, good = pipeline.each(TARGETS, items, work, ONE)
    assert bad.error is not None
    assert (bad.error.code, good.error) == (Exit.BUG, None)
    assert "ZeroDivisionError" in bad.error.message
    monkeypatch.setenv("BUILDKIT_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        pipeline.each(TARGETS, items, work, ONE)


def test_an_image_is_tested_again_when_the_suite_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The very image, but other clauses or samples: what passed before does not count."""
    where, image = records.Records(folder=tmp_path, limits=Boundary(root=tmp_path)), fakes.built()
    suites: list[str] = ["one"]
    tested: list[str] = []

    def report(*_: object, **__: object) -> Report:
        tested.append(suites[-1])
        return dataclasses.replace(fakes.report(fakes.clause()), suite=suites[-1])

    monkeypatch.setattr(verify, "report", report)
    monkeypatch.setattr(fingerprint, "of", lambda _subject: suites[-1])
    engine = object()
    for suite in ("one", "one", "two"):
        suites.append(suite)
        outcome = gate.test(
            image,
            engine,  # type: ignore[arg-type]
            where,
            verify.SMOKE,
            retest=False,
        )
        assert outcome.verified is not None
        assert outcome.error is None
    assert tested == ["one", "two"]


def test_an_image_that_a_busy_machine_could_not_judge_goes_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skipped = fakes.skipped(TooBusy("of 60 s only 5 count"))
    monkeypatch.setattr(verify, "report", lambda *_, **__: fakes.report(skipped))
    where = records.Records(folder=tmp_path, limits=Boundary(root=tmp_path))
    outcome = gate.test(
        fakes.built(),
        object(),  # type: ignore[arg-type]
        where,
        verify.SMOKE,
        retest=False,
    )
    assert outcome.verified is None
    assert isinstance(outcome.error, ToolError)
    assert outcome.error.message == "this machine is too busy to judge RUN-01"
    assert where.find(records.VERIFIED, outcome.target.id) is None


@pytest.mark.parametrize(
    ("codes", "wanted"),
    [
        ([], Exit.DONE),
        ([Exit.CONTRACT], Exit.CONTRACT),
        ([Exit.CONTRACT, Exit.TOOL], Exit.TOOL),
        ([Exit.TEMPLATE, Exit.CONTRACT], Exit.TEMPLATE),
    ],
)
def test_the_worst_failure_gives_the_exit_code(codes: list[Exit], wanted: Exit) -> None:
    assert worst(codes) == wanted
    assert TemplateError("x").code in Exit


@pytest.mark.parametrize(
    ("pushed", "told"),
    [
        ([True], "published: one.example/demo:1"),
        ([False], "published already: one.example/demo:1"),
        ([True, True], "published: one.example/demo:1, two.example/demo:1"),
        ([False, True], "published: two.example/demo:1; published already: one.example/demo:1"),
        ([False, False], "published already: one.example/demo:1, two.example/demo:1"),
    ],
)
def test_of_each_registry_it_is_said_what_is_true_of_it(
    pushed: list[bool], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Published(
        verified=fakes.verified(),
        digest=fakes.DIGEST,
        size=3,
        manifest_size=2,
        locations=tuple(
            Location(uri=f"{host}.example/demo:1", pushed=each)
            for host, each in zip(("one", "two"), pushed, strict=False)
        ),
    )
    target = TARGETS[0]
    pipeline.each(
        [target], [(target, "x")], lambda *_: Outcome(target=target, published=found), ONE
    )
    assert capsys.readouterr().err == f"{target.id}  {told}\n"
