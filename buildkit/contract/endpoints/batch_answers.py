"""The demands of batch transform on answers: parameters of a job, and lines in order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful
from buildkit.contract.comparison import kind_of, same
from buildkit.contract.hosting.bodies import CSV
from buildkit.contract.hosting.client import OK, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.contract.hosting.client import Answer

LARGEST_PRODUCT = 100
"""Megabytes: the limit of MaxPayloadInMB, also times MaxConcurrentTransforms (BATCH-03)."""
STRATEGIES = ("MULTI_RECORD", "SINGLE_RECORD")
JSON = "application/json"


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
        raise Broken(f"{said}: the two numbers multiply to more than {LARGEST_PRODUCT} MB")
    if found.get("BatchStrategy", STRATEGIES[0]) not in STRATEGIES:
        raise Broken(f"{said}: BatchStrategy is none of {', '.join(STRATEGIES)}")


def _object(body: bytes, said: str) -> dict[str, object]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Broken(f"{said}, which is not JSON") from error
    if not isinstance(found, dict):
        raise Broken(f"{said}, which is not an object")
    return found


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
    return one == other or same(CSV, one, other) or same(JSON, one, other)


def alike(one: Answer, other: Answer) -> bool:
    return same(one.content_type, one.body, other.body)
