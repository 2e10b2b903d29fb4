from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from buildkit.system import workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def test_work_runs_side_by_side_and_a_result_that_is_there_needs_no_thread() -> None:
    first = threading.Event()

    def slow() -> str:
        assert first.wait(60)
        return "slow"

    def fast() -> str:
        first.set()
        return "fast"

    work: list[str | Callable[[], str]] = [slow, fast, "there"]
    found = workers.run(work, jobs=2)
    assert sorted(found) == ["fast", "slow", "there"]


def test_after_a_stop_nothing_new_begins_and_what_runs_is_waited_for() -> None:
    running, begun = threading.Event(), []

    def runs() -> str:
        begun.append("runs")
        running.set()
        return "done"

    def never() -> str:
        begun.append("never")
        return "never"

    def coming() -> Iterator[str | Callable[[], str]]:
        yield runs
        assert running.wait(60)
        yield "stop"
        yield never

    found = workers.run(coming(), jobs=1, stop=lambda result: result == "stop")
    assert sorted(found) == ["done", "stop"]
    assert begun == ["runs"]


def test_what_work_raises_is_raised_and_the_rest_is_not_begun() -> None:
    begun = []

    def broken() -> str:
        raise ZeroDivisionError

    def later() -> str:
        begun.append("later")
        time.sleep(0.02)  # fifty of them leave time to cancel the rest
        return "later"

    work: list[str | Callable[[], str]] = [broken, *[later] * 50]
    with pytest.raises(ZeroDivisionError):
        workers.run(work, jobs=1)
    assert len(begun) < 50
