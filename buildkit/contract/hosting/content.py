"""Whether the Content-Type of an answer tells the truth (PIPE-04)."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

from buildkit.contract.clause import Broken, Doubtful

if TYPE_CHECKING:
    from buildkit.contract.hosting.client import Answer

JSON_LINES = ("jsonlines", "x-jsonlines", "jsonl", "x-ndjson", "ndjson")


def judge_type(asked: str, answer: Answer) -> bool:
    """Whether the truth of a Content-Type can be seen. Raises Broken or Doubtful where it lies."""
    kind = answer.content_type.partition(";")[0].strip().lower()
    said = f"{asked} was answered with {answer.shown()}"
    if not kind:
        raise Broken(f"{said}, without a Content-Type")
    document = _document(answer.body)
    if kind == "application/json" or kind.endswith("+json"):
        if document is None:
            raise Broken(f"{said}, which is not JSON")
    elif kind == "text/csv":
        _judge_csv(said, answer.body, document)
    elif kind.removeprefix("application/") in JSON_LINES:
        if any(_document(line) is None for line in answer.body.splitlines() if line.strip()):
            raise Broken(f"{said}, which are not lines of JSON")
    elif kind == "text/html":
        if document is not None or b"<" not in answer.body:
            raise Broken(f"{said}, which is not HTML")
    else:
        return False
    return True


def _judge_csv(said: str, body: bytes, document: tuple[object] | None) -> None:
    found = document[0] if document else None
    if isinstance(found, dict) or not _is_csv(body):
        raise Broken(f"{said}, which is not CSV")
    if isinstance(found, list):
        raise Doubtful(f"{said}, which is rather JSON")


def _document(body: bytes) -> tuple[object] | None:
    try:
        return (json.loads(body),)
    except (ValueError, RecursionError):
        return None


def _is_csv(body: bytes) -> bool:
    try:
        return all(row is not None for row in csv.reader(io.StringIO(body.decode()), strict=True))
    except (ValueError, csv.Error):
        return False
