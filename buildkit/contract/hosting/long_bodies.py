"""Clauses of hosting on bodies that are longer than the samples, and must be read to their end."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful, Unseen, check
from buildkit.contract.comparison import document, is_json, kind_of
from buildkit.contract.hosting import bodies
from buildkit.contract.hosting.client import OK, short
from buildkit.contract.hosting.parallel import alike
from buildkit.contract.hosting.server import named
from buildkit.contract.hosting.traffic import Loaded, under_load

if TYPE_CHECKING:
    from buildkit.contract.hosting.client import Answer
    from buildkit.model.target import Payload

A_FEW, MANY = 64, 300_000
"""Characters in front of a sample: more of them than a buffer or a segment of TCP holds."""
NUMBERS = (2, 3, 5, 20, 80, 320, 1280, 5120, 20480)
CONTROLS = 3
"""The first numbers of records: an answer that has as many each time has one for each record."""
LONG = 100_000
"""Bytes of a request and of its answer that are enough."""
LARGEST = 5_000_000
"""No longer body is sent: SageMaker passes on 6 MB, and a server may have memory for no more."""
QUICK_SECONDS = 1
"""After an answer that takes longer, no body with more records is sent."""
UNCOMPARED = "no body longer than a sample was compared with it"


@check("SERVE-09", under_load, gap=UNCOMPARED)
def long_bodies_are_read_to_the_end(loaded: Loaded) -> None:
    """300,000 spaces before JSON, or empty lines before CSV, change nothing if 64 do not."""
    loaded.need_sample()
    seen = [_reads_all(loaded, payload) for payload in loaded.serving.payloads]
    if not any(seen):
        raise Unseen("no sample is JSON, or CSV that may begin with empty lines")


def _reads_all(loaded: Loaded, payload: Payload) -> bool:
    """Whether a long body like a sample could be judged. Raises Broken if its end is not read."""
    kind = kind_of(payload.content_type)
    fill = b" " if is_json(kind) else b"\n" if kind == bodies.CSV else b""
    body = Path(payload.body).read_bytes()
    plain = _taken(loaded, payload, body)
    if not fill or plain is None or not _same(plain, _taken(loaded, payload, fill * A_FEW + body)):
        return False
    found = loaded.serving.post(fill * MANY + body, payload)
    if alike(found, plain):
        return True
    if not _same(plain, _taken(loaded, payload, fill * A_FEW + body)):
        return False  # its answers vary
    what = "spaces" if fill == b" " else "empty lines"
    raise Broken(
        f"{named(payload)} after {MANY} {what} got {found.shown()}; after {A_FEW} of them the "
        f"answer is as without: {plain.shown()}"
    )


@check("SERVE-06", under_load)
def many_records_get_whole_answers(loaded: Loaded) -> None:
    """The first record of each sample, up to 20,480 times in one body: as many in the answer.

    Only samples are judged whose answers have 2, 3 and 5 records for as many. An error is no
    answer, and ends the question, as does an answer that takes a second. JSON with too few items
    is a doubt: its list may be one record.
    """
    loaded.need_sample()
    seen = [_answers_all(loaded, payload) for payload in loaded.serving.payloads]
    if not any(seen):
        raise Unseen("no sample gets as many records in its answer as in its body")


def _answers_all(loaded: Loaded, payload: Payload) -> bool:
    """Whether answers to many records could be judged. Raises Broken if some are missing."""
    sample = Path(payload.body).read_bytes()
    for at, number in enumerate(NUMBERS):
        judged = at >= CONTROLS
        body = bodies.of_many(payload.content_type, sample, number)
        if body is not None and len(body) > LARGEST:
            return judged
        answer = None if body is None else _taken(loaded, payload, body)
        if body is None or answer is None:
            return judged
        count = bodies.count(answer.content_type, answer.body)
        if count != number and not judged:
            return False
        said = f"{number} times the first record of {named(payload)}"
        if is_json(kind_of(answer.content_type)) and document(answer.body) is None:
            end = short(answer.body[-60:])
            raise Broken(f"{said} got an answer that is not JSON: it ends with {end}")
        if count < number:
            loss = Doubtful if is_json(kind_of(payload.content_type)) else Broken
            raise loss(f"{said} got {count} records in an answer of {len(answer.body)} bytes")
        if answer.seconds > QUICK_SECONDS or min(len(body), len(answer.body)) > LONG:
            break
    return True


def _taken(loaded: Loaded, payload: Payload, body: bytes) -> Answer | None:
    """The answer to a body like a sample, None without 200."""
    with suppress(Broken):
        answer = loaded.serving.post(body, payload)
        return answer if answer.status == OK else None
    return None


def _same(one: Answer, other: Answer | None) -> bool:
    return other is not None and alike(other, one)
