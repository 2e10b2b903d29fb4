"""The route that SageMaker scrapes for metrics (OBS): quick, whatever else the server does."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Unseen, check
from buildkit.contract.hosting import exposition
from buildkit.contract.hosting.client import OK
from buildkit.contract.hosting.parallel import alike
from buildkit.contract.hosting.traffic import Loaded, under_load, unfinished

if TYPE_CHECKING:
    from buildkit.contract.hosting.client import Answer
    from buildkit.contract.hosting.server import Serving

PATH = "/metrics"
UNKNOWN = "/nope"
SECONDS = 10
"""The shortest interval between two requests for metrics: a slower server falls behind."""
PING_IS_LATE = "GET /ping is not answered in time at the same moment either (SERVE-02)"


@check("OBS-01", under_load, decides=True)
def metrics_answer(loaded: Loaded) -> None:
    """GET /metrics gets any answer in 10 s, within two tries, while GET /ping gets one, too."""
    loaded.need_life()
    _ask(loaded.serving)


@check("OBS-01", under_load, gap="not seen while a request was in progress")
def metrics_do_not_wait_for_requests(loaded: Loaded) -> None:
    """The same while another request is in progress, of whose body the last byte is not sent."""
    loaded.need_life()
    with unfinished(loaded):
        if not loaded.serving.pings():
            raise Unseen(PING_IS_LATE)
        try:
            _ask(loaded.serving)
        except Broken as error:
            evidence = f"while another request was in progress, {error}; GET /ping was answered"
            raise Broken(evidence, *error.signs) from error


@check("OBS-02", under_load)
def metrics_are_readable(loaded: Loaded) -> None:
    """An answer to GET /metrics that is no 4xx is 200, in the text format of Prometheus."""
    loaded.need_life()
    try:
        answer = _ask(loaded.serving)
    except Broken as error:
        raise Unseen(f"GET {PATH} is not answered in time (OBS-01)") from error
    if 400 <= answer.status < 500:  # noqa: PLR2004 - the client's error
        raise Unseen(f"the image has no metrics at {PATH}, which answers {answer.status}")
    if _answers_all_alike(loaded.serving, answer):
        raise Unseen(f"GET {UNKNOWN} gets the same answer (SERVE-19)")
    wrong = "it is not 200" if answer.status != OK else exposition.fault(answer.body)
    if wrong:
        raise Broken(f"GET {PATH} answered {answer.shown()}; {wrong}")


def _answers_all_alike(serving: Serving, answer: Answer) -> bool:
    """Whether an unknown path gets the same answer; some servers close without any."""
    with suppress(Broken):
        return alike(answer, serving.client.ask("GET", UNKNOWN))
    return False


def _ask(serving: Serving) -> Answer:
    """The answer, within two tries. Raises Broken, or Unseen if /ping is not answered either."""
    with suppress(Broken):
        return serving.client.ask("GET", PATH, seconds=SECONDS)
    try:
        return serving.client.ask("GET", PATH, seconds=SECONDS)
    except Broken as error:
        if not serving.pings():
            raise Unseen(PING_IS_LATE) from error
        raise Broken(f"{error}, twice", *error.signs) from error
