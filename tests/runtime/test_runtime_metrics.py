"""GET /metrics: its numbers, and that they are those of all workers."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Callable

import pytest
from buildkit_runtime import serving
from buildkit_runtime.metrics import Meter
from werkzeug.exceptions import BadRequest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from buildkit.contract.hosting import exposition
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.runtime.runtime_harness import Running, Tree

SAMPLE = re.compile(r"^(\S+) ([0-9.]+)$", re.MULTILINE)


def numbers(text: str) -> dict[str, float]:
    """Every sample; the text is in the form that Prometheus reads."""
    assert exposition.fault(text.encode()) is None
    return {name: float(value) for name, value in SAMPLE.findall(text)}


def requests(text: str) -> list[float]:
    """Those with 2xx, 4xx and 5xx, and those in progress."""
    found = numbers(text)
    totals = [found[f'http_requests_total{{status="{each}"}}'] for each in ("2xx", "4xx", "5xx")]
    return [*totals, found["http_requests_in_progress"]]


def fail(error: Exception) -> Callable[..., Response]:
    def answer(_request: Request) -> Response:
        raise error

    return answer


def ask(meter: Meter, answer: Callable[..., Response]) -> None:
    meter.measured(answer)(Request(EnvironBuilder().get_environ()))


def test_answers_are_counted_by_status_also_those_by_exceptions() -> None:
    meter = Meter(seats=1)
    ask(meter, lambda _request: Response(status=200))
    ask(meter, lambda _request: Response(status=404))
    for error in (BadRequest(), ValueError("wrong")):
        with pytest.raises(type(error)):
            ask(meter, fail(error))
    assert requests(meter.text()) == [1, 2, 1, 0]


def test_a_request_is_in_progress_until_it_is_answered() -> None:
    meter, seen = Meter(seats=1), []

    def answer(_request: Request) -> Response:
        seen.append(requests(meter.text()))
        return Response(status=200)

    ask(meter, answer)
    assert seen == [[0, 0, 0, 1]]


def test_a_bucket_counts_all_that_is_quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter(seats=1)
    for seconds in (0.01, 0.3, 700.0):
        clock = iter([5.0, 5.0 + seconds])
        monkeypatch.setattr("buildkit_runtime.metrics.time.monotonic", lambda: next(clock))  # noqa: B023
        ask(meter, lambda _request: Response(status=200))
    found = numbers(meter.text())
    name = "http_request_duration_seconds"
    counts = {bound: found[f'{name}_bucket{{le="{bound}"}}'] for bound in ("0.025", "60.0", "+Inf")}
    assert counts == {"0.025": 1, "60.0": 2, "+Inf": 3}
    assert found[f"{name}_sum"] == pytest.approx(700.31)
    assert found[f"{name}_count"] == 3


def test_a_new_worker_goes_on_with_the_counts_of_its_seat() -> None:
    meter = Meter(seats=2)
    meter.take(0)
    ask(meter, lambda _request: Response(status=200))
    meter.take(1)
    ask(meter, lambda _request: Response(status=200))

    def dies(_request: Request) -> Response:
        meter.take(1)  # as the next worker on the seat of one that died while it predicted
        assert requests(meter.text()) == [2, 0, 0, 0]
        return Response(status=200)

    ask(meter, dies)


def test_more_workers_than_seats_share_the_last_one() -> None:
    meter = Meter(seats=1)
    meter.take(7)
    ask(meter, lambda _request: Response(status=200))
    assert requests(meter.text()) == [1, 0, 0, 0]


def test_a_worker_is_forked_with_the_first_seat_that_is_free() -> None:
    taken: list[int] = []
    others = {11: SimpleNamespace(seat=0), 13: SimpleNamespace(seat=2)}
    meter = SimpleNamespace(take=taken.append)
    supervisor: Any = SimpleNamespace(WORKERS=others, app=SimpleNamespace(meter=meter))
    worker = SimpleNamespace(seat=None)
    serving.gunicorn_settings({})["pre_fork"](supervisor, worker)
    assert (worker.seat, taken) == (1, [1])


def test_a_worker_may_end_while_the_next_gets_its_seat() -> None:
    """Gunicorn's handler of SIGCHLD then removes the one that ended."""

    class Ends:
        @property
        def seat(self) -> int:
            workers.pop(13, None)
            return 0

    workers: dict[int, Any] = {11: Ends(), 13: SimpleNamespace(seat=1)}
    meter = SimpleNamespace(take=lambda _seat: None)
    supervisor: Any = SimpleNamespace(WORKERS=workers, app=SimpleNamespace(meter=meter))
    worker = SimpleNamespace(seat=None)
    serving.gunicorn_settings({})["pre_fork"](supervisor, worker)
    assert worker.seat == 2


INFERENCE = """
import time
from pathlib import Path

def model_fn(folder):
    return 1

def predict_fn(data, model):
    if data[0][0] == 666:
        import os
        os._exit(1)
    begun = Path(__file__).with_suffix(".begun")
    while data[0][0] < 0 and not begun.with_suffix(".ends").exists():
        begun.touch()
        time.sleep(0.02)
    return [0.0 for row in data]
"""


@pytest.mark.process
def test_a_server_shows_the_sums_of_all_its_workers_also_of_those_that_died(
    tree: Tree, serve: Callable[..., Running]
) -> None:
    script = tree.write("model/code/inference.py", INFERENCE)
    server = serve(SAGEMAKER_MODEL_SERVER_WORKERS="2")
    server.wait_for_ping(200)
    for body in ("1", "1", "1", "x", "1"):
        server.invoke(body, "text/csv")
    first = server.request("GET", "/metrics")
    assert (first.status, first.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert requests(first.text) == [4, 1, 0, 0]
    with ThreadPoolExecutor(80) as pool:  # more than the threads of both workers
        slow = [pool.submit(server.invoke, "-1", "text/csv") for _ in range(80)]
        wait_until(script.with_suffix(".begun").exists, server.log.read_text)
        wait_until(lambda: requests(server.request("GET", "/metrics").text)[-1] >= 32)
        assert not any(each.done() for each in slow)
        script.with_suffix(".ends").touch()
        assert [each.result().status for each in slow] == [200] * 80
    assert requests(server.request("GET", "/metrics").text) == [84, 1, 0, 0]
    with pytest.raises((OSError, HTTPException)):
        server.invoke("666", "text/csv")
    wait_until(lambda: server.log.read_text().count("Booting worker") == 3)
    wait_until(lambda: requests(server.request("GET", "/metrics").text) == [84, 1, 0, 0])
