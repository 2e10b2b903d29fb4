"""The clause of asynchronous inference (ASYNC-01): a very large body, with pings meanwhile."""

from __future__ import annotations

import http.client
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful, check
from buildkit.contract.comparison import LINES, kind_of
from buildkit.contract.hosting import gunicorn, starting
from buildkit.contract.hosting.client import OK, TOO_LARGE, hung_up_after, short
from buildkit.contract.hosting.server import request_headers
from buildkit.contract.logs import last_lines
from buildkit.contract.signs import Sign

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.contract.hosting.server import Serving
    from buildkit.model.target import Payload

SIZE = 1024**3
BLOCK = 1024**2
SECONDS = 900
"""The default wait of asynchronous inference for an answer."""
PING_PAUSE = 0.5
SERVED = starting.of("`serve` with the model, and a request with a body of 1 GB", alone=True)


@contextmanager
def pinged(serving: Serving) -> Iterator[list[Broken]]:
    """Request `/ping` continuously; yields the failures that a retry did not fix."""
    missed: list[Broken] = []
    over = threading.Event()

    def ask() -> None:
        while not over.wait(PING_PAUSE):
            try:
                answer = serving.ping()
                if answer.status != OK:
                    missed.append(Broken(answer.shown()))
            except Broken as error:
                missed.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield missed
    finally:
        over.set()
        thread.join()


@check("ASYNC-01", SERVED)
def takes_a_gigabyte(serving: Serving) -> None:
    """A body of 1 GB: any answer but 413, GET /ping within 2 s meanwhile, a good request after."""
    payload = next((each for each in serving.payloads if _kind(each) in LINES), serving.a_payload())
    began = time.monotonic()
    with pinged(serving) as missed:
        status, evidence = _send(serving, payload)
    ended = serving.container.ended_by()
    if serving.container.wait(0) is not None:
        raise Broken(
            f"a body of 1 GB ended the server{ended and f' ({ended})'}{last_lines(serving.log)}"
        )
    if status is None:
        cause, signs = gunicorn.killed(serving.container, time.monotonic() - began)
        raise Broken(
            f"{cause}a body of 1 GB got no answer: {evidence}{last_lines(serving.log)}", *signs
        )
    if status == TOO_LARGE:
        raise Broken(f"a body of 1 GB was answered with {evidence}", Sign.TOO_LARGE)
    if len(missed) > 1:
        raise Broken(f"during a body of 1 GB: {missed[0]}", *missed[0].signs)
    serving.still_good("a body of 1 GB")
    if missed:
        raise Doubtful(f"once during a body of 1 GB: {missed[0]}", *missed[0].signs)


def _kind(payload: Payload) -> str:
    return kind_of(payload.content_type)


def padding(payload: Payload) -> bytes:
    """The padding of a sample: cheap to parse, so that only the size matters."""
    if _kind(payload) in LINES:
        return b"\n"
    return b" " if _kind(payload).endswith("json") else Path(payload.body).read_bytes() or b"\0"


def body(payload: Payload, size: int) -> Iterator[bytes]:
    """A sample, padded to `size` bytes."""
    first = Path(payload.body).read_bytes()[:size]
    yield first
    left = size - len(first)
    filler = padding(payload)
    block = filler * (BLOCK // len(filler) + 1)
    while left > 0:
        yield block[:left]
        left -= min(left, len(block))


def _send(serving: Serving, payload: Payload) -> tuple[int | None, str]:
    """The status of the answer and its text; no status without an answer.

    A server may answer, and close the connection, before it has read the whole body.
    """
    headers = {**request_headers(payload), "Content-Length": str(SIZE)}
    refused = ""
    limit = serving.client.limit(SECONDS)
    with serving.client.connected(SECONDS) as connection:
        try:
            connection.connect()
            with hung_up_after(limit, connection.sock):
                try:
                    connection.request("POST", "/invocations", body(payload, SIZE), headers)
                except OSError as error:
                    refused = _reason(error)
                response = connection.getresponse()
                return response.status, f"{response.status} {short(response.read(200))}"
        except (OSError, http.client.HTTPException) as error:
            return None, refused or _reason(error)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
