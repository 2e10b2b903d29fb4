from __future__ import annotations

import threading
import time

import pytest

from buildkit.system import workers


def test_results_come_as_they_are_made_and_what_is_a_result_already_needs_no_thread() -> None:
    first = threading.Event()

    def slow() -> str:
        assert first.wait(60)
        return "slow"

    def fast() -> str:
        first.set()
        return "fast"

    found = workers.run([slow, fast, "there"], jobs=2, stop=lambda _result: False)
    assert sorted(found) == ["fast", "slow", "there"]
    assert found.index("fast") < found.index("slow")


def test_after_a_stop_nothing_new_begins_and_what_runs_is_waited_for() -> None:
    running, begun = threading.Event(), []

    def runs() -> str:
        begun.append("runs")
        running.set()
        return "done"

    def never() -> str:
        begun.append("never")
        return "never"

    def coming():  # type: ignore[no-untyped-def]
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

    with pytest.raises(ZeroDivisionError):
        workers.run([broken, *[later] * 50], jobs=1)
    assert len(begun) < 50
