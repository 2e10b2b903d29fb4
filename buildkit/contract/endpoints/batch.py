"""Clauses of batch transform (BATCH): many records per request, in parallel, and retried."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildkit.contract.checks import Broken, Doubtful, Unseen, check
from buildkit.contract.comparison import LINES, document, kind_of, same
from buildkit.contract.hosting import bodies, parallel, serving, starting
from buildkit.contract.hosting.client import OK, short
from buildkit.contract.hosting.server import fits, named, request_headers
from buildkit.contract.logs import last_lines
from buildkit.contract.signs import Sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from buildkit.contract.hosting.client import Answer
    from buildkit.contract.hosting.server import Serving
    from buildkit.model.target import Payload

CALL_SECONDS = 600
"""The default wait of batch transform for one call (BATCH-06)."""
CONCURRENCY = 4
MOST_CONCURRENCY = 16
RECORDS = 8
"""The number of records of a sample that are sent one by one."""
TIMES = 3
REPEATED = 8
"""Requests after which the files that they left are counted."""
QUICK_SECONDS = 1
"""The longest request that is sent that often."""
VARIABLES = {
    "SAGEMAKER_BATCH": "true",
    "SAGEMAKER_MAX_PAYLOAD_IN_MB": "6",
    "SAGEMAKER_BATCH_STRATEGY": "MULTI_RECORD",
    "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(CONCURRENCY),
}
LARGEST_PRODUCT = 100
"""Megabytes: the limit of MaxPayloadInMB, also times MaxConcurrentTransforms (BATCH-03)."""
STRATEGIES = ("MULTI_RECORD", "SINGLE_RECORD")
JSON = "application/json"
BATCH = starting.of(
    "`serve` with the variables of batch transform",
    start=replace(starting.SERVE, environment=VARIABLES),
)


@check("BATCH-03", serving.SERVED)
def parameters_are_right(server: Serving) -> None:
    """GET /execution-parameters: any code but 200, or valid parameters of a job."""
    server.need_health()
    judge_parameters(_parameters(server))


@check("BATCH-01", BATCH)
def healthy(server: Serving) -> None:
    """With SAGEMAKER_BATCH=true GET /ping answers 200, as without."""
    if server.health.after is None:
        evidence = f"with the variables of batch transform {server.evidence}"
        raise Broken(evidence, Sign.UNHEALTHY, *server.signs)


@check("BATCH-01", BATCH, decides=True)
def answers(server: Serving) -> None:
    """With SAGEMAKER_BATCH=true each sample is answered with 200, and as declared."""
    server.a_payload()
    for payload in server.payloads:
        answer = server.invoke(payload)
        if answer.status != OK or not fits(answer, payload):
            raise Broken(
                f"with the variables of batch transform {named(payload)} was answered with "
                f"{answer.shown()}{last_lines(server.log)}",
                *([Sign.WRONG_ANSWER] if answer.status == OK else answer.signs),
            )


@check("BATCH-04", BATCH, decides=True)
def reads_chunks(server: Serving) -> None:
    """Each sample again with chunked encoding and no Content-Length: the same answer."""
    for payload, plain in _answered(server, lambda each: _post(server, each, _body(each))):
        body = _body(payload)
        found = _post(server, payload, iter([body[: len(body) // 2], body[len(body) // 2 :]]))
        repeats = alike(plain, _post(server, payload, body))
        if found.status != OK or (repeats and not alike(found, plain)):
            raise Broken(
                f"{named(payload)} with chunked encoding was answered with {found.shown()}, "
                f"with a Content-Length with {plain.shown()}",
                *found.signs,
            )


@check("BATCH-04", BATCH, gap="no body of many records was answered")
def reads_many_records(server: Serving) -> None:
    """Several lines of a CSV or JSON Lines sample in one body: 200, as for one line."""
    for payload, found in _line_samples(server):
        first = _post(server, payload, found[0])
        if first.status != OK:
            raise Unseen(f"one line of {named(payload)} is answered with {first.shown()}")
        several = found if len(found) > 1 else found * TIMES
        answer = _post(server, payload, b"\n".join(several))
        if answer.status != OK:
            raise Broken(
                f"one line of {named(payload)} is answered with 200, "
                f"{len(several)} lines in one body with {answer.shown()}",
                *answer.signs,
            )


@check("BATCH-05", BATCH, decides=True)
def a_line_for_a_line(server: Serving) -> None:
    """Lines of a sample in one body: as many lines in the answer, in the same order."""
    for payload, found in _line_samples(server):
        several = found[:RECORDS] if len(found) > 1 else found * TIMES
        many, accept = _by_lines(server, payload, several)
        singles = [_post(server, payload, each, Accept=accept) for each in several]
        wanted = [lines(each.body) for each in singles]
        name = f"one line of {named(payload)}"
        for single, each in zip(singles, wanted, strict=True):
            if single.status != OK:
                raise Unseen(f"{name} is answered with {single.shown()}")
            if len(each) != 1:
                raise Broken(f"{name} got {len(each)} lines: {single.shown()}")
        judge_order(lines(many.body), [each[0] for each in wanted])


@check("BATCH-05", BATCH, decides=True)
def no_record_is_lost(server: Serving) -> None:
    """Repeated lines of a sample, one with an empty cell: as many lines, or an error for all."""
    for payload, found in _line_samples(server):
        first, last = found[0], found[min(len(found), RECORDS) - 1]
        empty = bodies.emptied(payload.content_type, first)
        _, accept = _by_lines(server, payload, [first, last])
        repeated = [first, first, last, first, last, last]
        missing = [first, empty, last] if empty is not None else []
        for asked, what in ((repeated, "repeated records"), (missing, "an empty cell or null")):
            answer = _post(server, payload, b"\n".join(asked), Accept=accept)
            count = len(lines(answer.body))
            if asked and answer.status == OK and count != len(asked):
                raise Broken(
                    f"{len(asked)} lines of {named(payload)} with {what} got {count} lines: "
                    f"{answer.shown()}"
                )


@check("BATCH-06", BATCH)
def answers_again(server: Serving) -> None:
    """Each sample three times: the same answer each time."""
    for payload, first in _answered(server, server.invoke):
        for _ in range(TIMES - 1):
            again = server.invoke(payload)
            evidence = f"{named(payload)} was answered with {first.shown()}, then {again.shown()}"
            if again.status != OK:
                raise Broken(evidence)
            if not alike(first, again):
                if payload.answer is not None:
                    raise Broken(evidence)
                raise Doubtful(
                    f"{evidence}; unless the model is random, a retry changes the result"
                )


@check("BATCH-08", BATCH)
def leaves_nothing_behind(server: Serving) -> None:
    """Eight requests do not leave eight new files in the container, twice in a row."""
    payload = server.a_payload()
    first = server.invoke(payload)
    if first.status != OK:
        raise Unseen("the first sample is not answered with 200")
    if first.seconds > QUICK_SECONDS:
        raise Unseen(f"a request takes {first.seconds:.0f} s, too long to send many")
    if len(_left_by(server, payload)) < REPEATED:
        return
    left = _left_by(server, payload)  # the first requests may have filled a cache
    if len(left) >= REPEATED:
        raise Doubtful(f"{REPEATED} requests left {len(left)} new files behind, such as {left[-1]}")


def _left_by(server: Serving, payload: Payload) -> list[str]:
    """The new files in the container after some requests."""
    before = set(server.container.changes())
    for _ in range(REPEATED):
        server.invoke(payload)
    return sorted(set(server.container.changes()) - before)


@check("BATCH-07", BATCH, decides=True)
def answers_in_parallel(server: Serving) -> None:
    """As many parallel requests as /execution-parameters says, or 4: all 200, within two tries."""
    payload = server.a_payload()
    if server.invoke(payload).status != OK:
        raise Unseen("the first sample is not answered with 200")
    number = _concurrency(_parameters(server))
    try:
        parallel.all_answered(number, lambda: _post(server, payload, _body(payload)))
    except Broken as error:
        raise Broken(f"{error}{last_lines(server.log)}") from error


@check("BATCH-07", BATCH, gap="no two requests with different answers were seen")
def answers_are_its_own(server: Serving) -> None:
    """As many different bodies in parallel: each gets the same answer as alone."""
    server.a_payload()
    number = max(_concurrency(_parameters(server)), 2)

    def ask(body: bytes, like: Payload) -> Answer:
        return _post(server, like, body)

    parallel.not_mixed_up(parallel.steady(server.payloads, ask), number, ask)


def _answered(
    server: Serving, ask: Callable[[Payload], Answer]
) -> Iterator[tuple[Payload, Answer]]:
    """The samples that get 200, and their answers. Raises Unseen if there is none."""
    server.a_payload()
    seen = False
    for payload in server.payloads:
        if (answer := ask(payload)).status == OK:
            seen = True
            yield payload, answer
    if not seen:
        raise Unseen("no sample is answered with 200")


def _line_samples(server: Serving) -> Iterable[tuple[Payload, list[bytes]]]:
    """The samples in which a line is a record, with their records. Raises Unseen for none."""
    server.a_payload()
    if _said(_parameters(server)).get("BatchStrategy") == "SINGLE_RECORD":
        raise Unseen("the image asks for SINGLE_RECORD: a body never holds several records")
    found = [
        (payload, split)
        for payload in server.payloads
        if (split := bodies.records(payload.content_type, _body(payload)))
    ]
    if not found:
        raise Unseen("the samples have neither CSV (without a header) nor JSON Lines")
    return found


def _by_lines(server: Serving, payload: Payload, asked: list[bytes]) -> tuple[Answer, str]:
    """An answer to several records with as many lines, and the Accept header that got it.

    A job chooses its Accept header, so other forms of answers are allowed for other values.
    """
    first: Answer | None = None
    for accept in dict.fromkeys((payload.accept or "*/*", payload.content_type, *LINES)):
        answer = _post(server, payload, b"\n".join(asked), Accept=accept)
        if answer.status == OK and len(lines(answer.body)) == len(asked):
            return answer, accept
        if first is None or first.status != OK:
            first = answer
    if first is None or first.status != OK:
        raise Unseen(f"several lines of {named(payload)} are not answered with 200")
    count = len(lines(first.body))
    raise Broken(f"{len(asked)} lines of {named(payload)} got {count} lines: {first.shown()}")


def _body(payload: Payload) -> bytes:
    return Path(payload.body).read_bytes()


def _parameters(server: Serving) -> Answer:
    return server.client.ask("GET", "/execution-parameters")


def _said(answer: Answer) -> dict[str, Any]:
    try:
        judge_parameters(answer)
        return dict(json.loads(answer.body)) if answer.status == OK else {}
    except Broken:
        return {}  # BATCH-03 reports that


def _concurrency(answer: Answer) -> int:
    return min(_said(answer).get("MaxConcurrentTransforms") or CONCURRENCY, MOST_CONCURRENCY)


def _post(server: Serving, payload: Payload, body: bytes | Iterator[bytes], **more: str) -> Answer:
    headers = {**request_headers(payload), **more}
    return server.send(body, headers, CALL_SECONDS)


# The demands on answers


def judge_parameters(answer: Answer) -> None:
    """Raises Broken if `/execution-parameters` answered with invalid parameters."""
    if answer.status != OK:
        return
    said = f"GET /execution-parameters answered {answer.shown()}"
    if kind_of(answer.content_type) != JSON:
        raise Broken(f"{said}; 200 is for application/json, 404 for no parameters")
    found = _object(answer.body, said)
    numbers = []
    for name in ("MaxPayloadInMB", "MaxConcurrentTransforms"):
        number = found.get(name, 1)
        if isinstance(number, bool) or not isinstance(number, int):
            raise Broken(f"{said}: {name} is not a whole number")
        if number < 0:
            raise Broken(f"{said}: {name} is negative")
        numbers.append(number)
    megabytes, at_once = numbers
    if megabytes > LARGEST_PRODUCT:
        raise Broken(f"{said}: MaxPayloadInMB is above {LARGEST_PRODUCT}")
    if megabytes * at_once > LARGEST_PRODUCT:
        raise Broken(f"{said}: their product exceeds {LARGEST_PRODUCT} MB")
    if found.get("BatchStrategy", STRATEGIES[0]) not in STRATEGIES:
        raise Broken(f"{said}: BatchStrategy is none of {', '.join(STRATEGIES)}")


def _object(body: bytes, said: str) -> dict[str, object]:
    found = document(body)
    if found is None:
        raise Broken(f"{said}, which is not JSON")
    if not isinstance(found[0], dict):
        raise Broken(f"{said}, which is not an object")
    return found[0]


def judge_order(found: Sequence[bytes], wanted: Sequence[bytes]) -> None:
    """Lines of one answer, and those of one-record requests. Raises Broken or Doubtful."""
    pairs = list(zip(found, wanted, strict=True))
    wrong = [pair for pair in pairs if not _same_line(*pair)]
    if not wrong:
        return
    said = f"found {short(wrong[0][0])} in place of {short(wrong[0][1])}"
    rest = list(wanted)
    for line in found:
        match = next((each for each in rest if _same_line(line, each)), None)
        if match is None:
            raise Doubtful(f"records in one body get other answers than one by one: {said}")
        rest.remove(match)
    raise Broken(f"the lines of the answer are not in the order of the records: {said}")


def lines(body: bytes) -> list[bytes]:
    """The lines of an answer. A final newline ends the last one."""
    return [line.rstrip(b"\r") for line in body.removesuffix(b"\n").split(b"\n")] if body else []


def _same_line(one: bytes, other: bytes) -> bool:
    return one == other or same(bodies.CSV, one, other) or same(JSON, one, other)


def alike(one: Answer, other: Answer) -> bool:
    return same(one.content_type, one.body, other.body)
