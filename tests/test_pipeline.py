from __future__ import annotations

import threading

import pytest

from buildkit import pipeline
from buildkit.errors import ContractError, Exit, TemplateError, ToolError, worst
from buildkit.pipeline import Crew, Outcome
from tests import projects

TARGETS = projects.targets(projects.MINIMAL.replace('"1.0"', '"1", "2", "3"'))
CREW = Crew(interrupt=lambda: None, jobs=1)


def done(target: object, _item: object) -> Outcome:
    return Outcome(target=target)  # type: ignore[arg-type]


def test_outcomes_come_in_the_order_of_the_targets() -> None:
    items = [(target, "built") for target in reversed(TARGETS)]
    outcomes = pipeline.run(TARGETS, items, done, CREW)
    assert [outcome.target for outcome in outcomes] == list(TARGETS)


def test_a_target_that_fails_does_not_stop_the_others() -> None:
    one, two, three = TARGETS
    items = [(one, ToolError("no")), (two, "built"), (three, "built")]

    def work(target: object, item: object) -> Outcome:
        if target is two:
            raise ContractError("bad")
        return done(target, item)

    outcomes = pipeline.run(TARGETS, items, work, CREW)
    assert [type(outcome.error) for outcome in outcomes] == [ToolError, ContractError, type(None)]


def test_fail_fast_begins_nothing_after_the_first_failure() -> None:
    one, two, three = TARGETS
    items = [(one, ToolError("no")), (two, "built"), (three, "built")]
    crew = Crew(interrupt=lambda: None, jobs=1, fail_fast=True)
    assert [outcome.target for outcome in pipeline.run(TARGETS, items, done, crew)] == [one]


def test_fail_fast_ends_also_when_others_wait_for_their_turn() -> None:
    def work(target: object, _item: object) -> Outcome:
        return Outcome(target=target, error=ContractError("bad"))  # type: ignore[arg-type]

    crew = Crew(interrupt=lambda: None, jobs=1, fail_fast=True)
    outcomes = pipeline.run(
        TARGETS * 20, [(target, "built") for target in TARGETS * 20], work, crew
    )
    assert outcomes[0].target is TARGETS[0]


def test_an_interrupt_ends_also_what_a_worker_was_just_starting() -> None:
    """The first interrupt finds nothing to end yet."""
    begun = threading.Event()
    interrupts: list[int] = []

    def work(target: object, item: object) -> Outcome:
        begun.set()
        while len(interrupts) < 2:
            threading.Event().wait(0.01)
        return done(target, item)

    def items() -> object:
        yield TARGETS[0], "built"
        begun.wait(10)
        raise KeyboardInterrupt

    crew = Crew(interrupt=lambda: interrupts.append(1), jobs=1)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(TARGETS, items(), work, crew)  # type: ignore[arg-type]


def test_an_interrupt_ends_what_the_workers_wait_for() -> None:
    """Ctrl-C comes to the main thread; the workers are inside a container or a push."""
    waiting, ended = threading.Event(), threading.Event()

    def work(target: object, item: object) -> Outcome:
        waiting.set()
        assert ended.wait(10)
        return done(target, item)

    def items() -> object:
        yield TARGETS[0], "built"
        waiting.wait(10)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.run(TARGETS, items(), work, Crew(interrupt=ended.set, jobs=1))  # type: ignore[arg-type]
    assert ended.is_set()


def test_a_bug_in_a_worker_is_not_swallowed() -> None:
    def work(*_: object) -> Outcome:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pipeline.run(TARGETS, [(TARGETS[0], "built")], work, CREW)


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
