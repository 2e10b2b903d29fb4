"""A server tested with the samples for comparison, and copies of its model."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, TooBusy, Unsampled, Unseen
from buildkit.contract.engine import Mount, Start
from buildkit.contract.hosting import starting
from buildkit.contract.hosting.client import OK
from buildkit.contract.hosting.starting import MODEL
from buildkit.contract.jobs import training_runs
from buildkit.contract.logs import last_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from buildkit.contract.hosting.client import Answer
    from buildkit.contract.hosting.server import Serving
    from buildkit.contract.scenario import Bench
    from buildkit.contract.signs import Sign
    from buildkit.model.target import Payload

AGAIN_SECONDS = 60
AGAIN_TIMES = 5
"""A server that failed gets this time, plus this many times its usual one, to be healthy."""


@dataclass(frozen=True, kw_only=True)
class Plain:
    """A server on the samples, with the model read-only. `first`: the answer to the first sample.

    `fault` is what is wrong with it, empty if it works; `signs` are those of a server that is not
    healthy.
    """

    first: Answer | Broken | None
    fault: str
    log: str
    signs: tuple[Sign, ...] = ()


def plain(bench: Bench) -> Plain:
    """The server that others are compared with."""
    return bench.once(_plain)


def _plain(bench: Bench) -> Plain:
    limit = None
    try:
        starting.healthy(bench)
    except Unseen:
        limit = 1.0  # waited long enough before
    with starting.served(bench, seconds=limit) as serving:
        return Plain(
            first=first_answer(serving),
            fault=fault(serving),
            log=serving.log,
            signs=() if serving.health.after is not None else serving.signs,
        )


def first_answer(serving: Serving) -> Answer | Broken | None:
    """The answer to the first sample, or the error."""
    if serving.health.after is None or not serving.payloads:
        return None
    try:
        return serving.invoke(serving.payloads[0])
    except Broken as error:
        return error


def fault(serving: Serving) -> str:
    """Why the server is not healthy, or does not answer a sample with 200; empty if it works."""
    if serving.health.after is None:
        return serving.evidence
    for payload in serving.payloads:
        try:
            answer = _twice(serving, payload)
        except Broken as error:
            return f"{error}{last_lines(serving.log)}"
        if answer.status != OK:
            return f"a sample got {answer.shown()}{last_lines(serving.log)}"
    return ""


def tried(bench: Bench, serve: Callable[[float | None], AbstractContextManager[Serving]]) -> str:
    """The fault of a server under some condition, empty if it works.

    If it fails, it is tested once more beside a plain one, which has to work meanwhile. `serve`
    takes the seconds until it must be healthy, None for the default. Raises Unseen.
    """
    usual = starting.healthy(bench)
    with serve(None) as serving:
        if not fault(serving):
            return ""
    with serve(AGAIN_SECONDS + AGAIN_TIMES * usual) as serving:
        if found := fault(serving):
            with starting.served(bench) as other:
                if why := fault(other):
                    raise TooBusy(f"a plain server does not work at the moment either: {why}")
    return found


def _twice(serving: Serving, payload: Payload) -> Answer:
    """Retry once if the connection breaks: only a second break counts against the image."""
    try:
        return serving.invoke(payload)
    except Broken:
        return serving.invoke(payload)


@contextmanager
def holding_model(bench: Bench) -> Iterator[Iterator[bytes] | None]:
    """An archive of the model, through a container that is never started."""
    volume = starting.model(bench)
    if volume is None:
        raise Unsampled("no model is declared")
    mount = Mount(volume=volume, path=MODEL, read_only=True)
    start = Start(command=("serve",), mounts=(mount,))
    with bench.engine.container(bench.subject.image, start) as container:
        yield container.get(MODEL)


def copied_model(bench: Bench) -> str | None:
    """Another volume with the model, which may be written to without affecting other servers."""
    if starting.model(bench) is None:
        return None
    with holding_model(bench) as chunks:
        return None if chunks is None else training_runs.filled(bench, MODEL, chunks)
