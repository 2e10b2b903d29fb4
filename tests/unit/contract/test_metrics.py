"""OBS: the text format of Prometheus, and what is said about a server's /metrics."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from buildkit.contract import checks
from buildkit.contract.checks import Broken
from buildkit.contract.hosting import exposition, metrics
from buildkit.contract.hosting.client import Answer
from tests.support.waiting import QUADRATIC, growth

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildkit.contract.checks import Check

GOOD = """\
# A comment, and an empty line.

# HELP http_requests_total The number, with "quotes" and \\\\ in it.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method = "post" , path="a \\"b\\" } {\\n", } 3
msdos_file_access_time_seconds{path="C:\\\\DIR\\\\FILE.TXT"} 1.458255915e9
metric_without_labels 12.47
empty_labels{} .5
something_weird{problem="division by zero"} +Inf -3982045
  indented\t\tNaN
vllm:num_requests_running{engine="0"} 0.0
bucket{le="+Inf"} 144320 # {trace_id="KOO5S4vxi0o"} 0.67 1520879607.789
{"a metric in quotes", node="1"} 7
# EOF
"""


def test_prometheus_text_and_openmetrics_are_read() -> None:
    assert exposition.fault(GOOD.encode()) is None


@pytest.mark.parametrize(
    "wrong",
    [
        b"<html><body>Metrics</body></html>",
        b'{"requests": 3}',
        b"requests 3 and more",
        b"requests",
        b"requests three",
        b"requests3x 4y",
        b"1requests 3",
        b"requests{code=200} 3",
        b'requests{code="200" 3',
        b"# TYPE counter\nrequests 3",
        b"OK",
        b"# HELP requests Nothing but a comment.\n",
        b"",
        b"requests 3\n\xff\xfe",
    ],
)
def test_what_is_not_in_the_format(wrong: bytes) -> None:
    assert exposition.fault(wrong)


def test_the_first_wrong_line_is_named() -> None:
    assert exposition.fault(b"a 1\n\nb\n") == "line 3 is 'b'"


@pytest.mark.parametrize("line", ["a{}", "a {}x", "{}", 'a{{b="c"{}', 'a{{b="c",{}', "a 1{}x"])
def test_a_line_that_an_image_makes_up_takes_no_long_time(line: str) -> None:
    def read(size: int) -> None:
        for filler in (" ", "1"):
            exposition.fault(line.format(filler * size).encode())

    assert growth(read, 20_000) < QUADRATIC / 4


Answers = dict[str, Answer | None]


class Server:
    """Answers by path; None: never. What is asked while a request is unfinished is another dict."""

    def __init__(self, idle: Answers, busy: Answers) -> None:
        self.answers, self._busy = idle, busy
        self.client = self
        self.asked: list[str] = []

    def ask(self, method: str, path: str, **_: object) -> Answer:
        self.asked.append(path)
        if (answer := self.answers[path]) is None:
            raise Broken(f"{method} {path} got no answer in 10 s")
        return answer

    def pings(self) -> bool:
        return self.answers["/ping"] is not None

    def begin(self) -> None:
        self.answers = self._busy


def text(body: bytes = b"a 1\n", status: int = 200) -> Answer:
    return Answer(status=status, content_type="text/plain", body=body)


NONE = text(b"no", 404)
QUICK: Answers = {"/ping": text(), "/metrics": text(), "/nope": NONE}


def judged(check: Check[Any], server: Server, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    def unfinished(_loaded: object) -> Iterator[None]:
        server.begin()
        yield

    monkeypatch.setattr(metrics, "unfinished", contextmanager(unfinished))
    loaded = SimpleNamespace(serving=server, need_life=lambda: None)
    result = checks.run(check, cast("Any", loaded))
    return result.status.value, result.message


def verdicts(
    monkeypatch: pytest.MonkeyPatch,
    idle: Answers | None = None,
    busy: Answers | None = None,
) -> Sequence[tuple[str, str]]:
    """Of OBS-01 idle, OBS-01 busy, OBS-02."""
    quick = QUICK | (idle or {})
    every = (
        metrics.metrics_answer,
        metrics.metrics_do_not_wait_for_requests,
        metrics.metrics_are_readable,
    )
    return [judged(each, Server(quick, quick | (busy or {})), monkeypatch) for each in every]


def statuses(*args: Any) -> list[str]:
    return [status for status, _ in verdicts(*args)]


def test_quick_metrics_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    assert statuses(monkeypatch) == ["pass", "pass", "pass"]


@pytest.mark.parametrize("status", [404, 403, 405])
def test_an_image_without_metrics_is_not_blamed(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    assert statuses(monkeypatch, {"/metrics": text(b"no", status)}) == ["pass", "pass", "skip"]


def test_an_unknown_path_may_get_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """As from nginx with `return 444`."""
    assert statuses(monkeypatch, {"/nope": None}) == ["pass", "pass", "pass"]


def test_metrics_that_hang_are_blamed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    idle, busy, readable = verdicts(monkeypatch, {"/metrics": None})
    assert idle == ("fail", "GET /metrics got no answer in 10 s, twice")
    assert busy[0] == "fail"
    assert readable == ("skip", "GET /metrics is not answered in time (OBS-01)")


def test_metrics_that_wait_for_a_request_are_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    (idle, busy, readable) = verdicts(monkeypatch, {}, {"/metrics": None})
    assert (idle[0], readable[0]) == ("pass", "pass")
    assert busy[0] == "fail"
    assert busy[1] == (
        "while another request was in progress, GET /metrics got no answer in 10 s, twice; "
        "GET /ping was answered"
    )


def test_a_server_that_takes_one_request_at_a_time_is_not_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy: Answers = {"/ping": None, "/metrics": None}
    assert statuses(monkeypatch, {}, busy) == ["pass", "skip", "pass"]
    assert statuses(monkeypatch, busy) == ["skip", "skip", "skip"]
    server = Server(QUICK, QUICK | busy)
    judged(metrics.metrics_do_not_wait_for_requests, server, monkeypatch)
    assert server.asked == []  # that would take 20 s


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param(text(b"<html>"), "line 1 is '<html>'", id="a page"),
        pytest.param(text(b"", 500), "it is not 200", id="an error"),
        pytest.param(text(b"a 1", 302), "it is not 200", id="a redirect"),
    ],
)
def test_an_answer_that_is_no_metrics_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, why: str
) -> None:
    *required, (status, message) = verdicts(monkeypatch, {"/metrics": answer})
    assert [each for each, _ in required] == ["pass", "pass"]
    assert status == "warn"
    assert message.endswith(why)


def test_a_server_with_one_answer_for_all_paths_breaks_serve_19_instead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = text(b"<html>")
    found = verdicts(monkeypatch, {"/metrics": page, "/nope": page})
    assert found[2] == ("skip", "GET /nope gets the same answer (SERVE-19)")
