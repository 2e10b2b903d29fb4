"""Bodies by their content type, and whether an answer equals the expected one."""

from __future__ import annotations

import csv
import io
import json
import math

JSON_LINES = ("jsonlines", "x-jsonlines", "jsonl", "x-ndjson", "ndjson")
"""Names of JSON Lines after `application/`."""
LINES = ("text/csv", *(f"application/{name}" for name in JSON_LINES))
"""Content types in which a record is a line."""


def kind_of(content_type: str) -> str:
    """The media type, without parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def is_json(kind: str) -> bool:
    return kind == "application/json" or kind.endswith("+json")


def is_json_lines(kind: str) -> bool:
    return kind.removeprefix("application/") in JSON_LINES


def is_text(kind: str) -> bool:
    """Whether a type may say in which charset it is written."""
    return kind.startswith("text/") or is_json(kind) or is_json_lines(kind)


def is_number(text: str) -> bool:
    return isinstance(_number(text), float)


def document(body: bytes | str) -> tuple[object] | None:
    """The JSON document that a body is, None if it is none, or nested too deeply to be read."""
    try:
        return (json.loads(body),)
    except (ValueError, RecursionError):
        return None


def same(content_type: str, found: bytes, wanted: bytes) -> bool:
    """Compare as values: JSON and CSV by content, numbers to six digits, the rest by bytes."""
    kind = content_type.partition(";")[0].strip()
    try:
        if kind == "application/json":
            return _alike(json.loads(found), json.loads(wanted))
        if kind == "text/csv":
            return _alike(_rows(found), _rows(wanted))
    except (ValueError, csv.Error, RecursionError):  # malformed, or nested too deeply
        return False
    return found == wanted


def _rows(text: bytes) -> list[list[object]]:
    rows = csv.reader(io.StringIO(text.decode("utf-8")))
    return [[_number(cell.strip()) for cell in row] for row in rows if row]


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _alike(found: object, wanted: object) -> bool:
    match found, wanted:
        case (list(), list()):
            return len(found) == len(wanted) and all(map(_alike, found, wanted))
        case (dict(), dict()):
            return found.keys() == wanted.keys() and all(
                _alike(found[key], wanted[key]) for key in found
            )
        case (int() | float(), int() | float()):
            return math.isclose(found, wanted, rel_tol=1e-6, abs_tol=1e-9)
        case _:
            return found == wanted
