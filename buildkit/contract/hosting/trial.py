"""A server tried out with the samples, and the model that it is given, to be changed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.contract.clause import Broken, Unseen, last_lines
from buildkit.contract.hosting import servers
from buildkit.contract.hosting.client import OK
from buildkit.contract.hosting.servers import MODEL
from buildkit.contract.jobs import runs
from buildkit.contract.world import Mount, Start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.contract.bench import Bench
    from buildkit.contract.hosting.client import Answer
    from buildkit.contract.hosting.server import Serving
    from buildkit.model import Payload


@dataclass(frozen=True, kw_only=True)
class Plain:
    """A server on the samples, read-only. `first`: what the first sample led to.

    `works`: it is healthy and answers each sample with 200; else `told` is the evidence.
    """

    first: Answer | Broken | None
    works: bool
    told: str
    log: str


def plain(bench: Bench) -> Plain:
    """The server that others are compared with."""
    return bench.once(_plain)


def _plain(bench: Bench) -> Plain:
    limit = None
    try:
        servers.healthy(bench)
    except Unseen:
        limit = 1.0  # enough has been waited
    with servers.served(bench, seconds=limit) as serving:
        first = first_answer(serving)
        good, told = works(serving)
        return Plain(first=first, works=good, told=told, log=serving.log)


def first_answer(serving: Serving) -> Answer | Broken | None:
    """What the first sample leads to right now."""
    if serving.health.after is None or not serving.payloads:
        return None
    try:
        return serving.invoke(serving.payloads[0])
    except Broken as error:
        return error


def works(serving: Serving) -> tuple[bool, str]:
    """Whether it is healthy and answers each sample with 200; if not, the evidence."""
    if serving.health.after is None:
        return False, serving.told
    for payload in serving.payloads:
        try:
            answer = _twice(serving, payload)
        except Broken as error:
            return False, f"{error}{last_lines(serving.log)}"
        if answer.status != OK:
            return False, f"a sample got {answer.shown()}{last_lines(serving.log)}"
    return True, ""


def _twice(serving: Serving, payload: Payload) -> Answer:
    """A connection that breaks is tried again before the image is blamed."""
    try:
        return serving.invoke(payload)
    except Broken:
        return serving.invoke(payload)


@contextmanager
def holding_model(bench: Bench) -> Iterator[Iterator[bytes] | None]:
    """An archive of the model, through a container that is never started."""
    volume = servers.model(bench)
    if volume is None:
        raise Unseen("no model is declared")
    mount = Mount(volume=volume, path=MODEL, read_only=True)
    start = Start(command=("serve",), mounts=(mount,))
    with bench.engine.container(bench.subject.image, start) as container:
        yield container.get(MODEL)


def copied_model(bench: Bench) -> str | None:
    """Another volume with the model, which may be written without harm to others."""
    if servers.model(bench) is None:
        return None
    with holding_model(bench) as chunks:
        return None if chunks is None else runs.filled(bench, MODEL, chunks)
