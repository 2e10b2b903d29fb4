"""Other bodies made from a sample: each has its own answer, and is as valid as the sample."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from buildkit.contract.comparison import LINES, document, is_json, is_number, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

CSV = "text/csv"
MOST = 4
"""The number of other bodies made from one sample."""


def records(content_type: str, body: bytes) -> list[bytes]:
    """The records of a sample, none if its lines are not records."""
    kind = kind_of(content_type)
    found = [line for line in body.splitlines() if line.strip()]
    if kind not in LINES:
        return []
    if kind == CSV and found:
        text = body.decode("utf-8", "replace")
        try:
            rows = [row for row in csv.reader(io.StringIO(text)) if any(row)]
        except csv.Error:
            return []
        if len(rows) != len(found) or _is_header(rows):
            return []
    return found


def of_many(content_type: str, body: bytes, number: int) -> bytes | None:
    """A body with the first record of a sample that many times, None for other types."""
    if is_json(kind_of(content_type)):
        (found,) = document(body) or (None,)
        several = _items(found)[:1] * number
        if isinstance(found, dict) and (name := _name(found)):
            return json.dumps({**found, name: several}).encode() if several else None
        return json.dumps(several).encode() if several else None
    lines = records(content_type, body)
    return b"\n".join(lines[:1] * number) if lines else None


def count(content_type: str, body: bytes) -> int:
    """The number of records in an answer: the items of the only list of JSON, else its lines."""
    if is_json(kind_of(content_type)) and (found := _items((document(body) or (None,))[0])):
        return len(found)
    return len(body.splitlines())


def _items(value: Any) -> list[Any]:
    """A list, or the only list in an object."""
    name = _name(value)
    found = value if name is None else value[name]
    return found if isinstance(found, list) else []


def _name(value: Any) -> str | None:
    """The name of the only list in an object."""
    if not isinstance(value, dict):
        return None
    names = [str(name) for name, each in value.items() if isinstance(each, list)]
    return names[0] if len(names) == 1 else None


def others(content_type: str, body: bytes) -> list[bytes]:
    """Bodies like a sample with other numbers, or with one of its records; none for other types."""
    found = dict.fromkeys([*_single(content_type, body), *_changed(content_type, body)])
    found.pop(body.rstrip(b"\r\n"), None)
    return list(found)[:MOST]


def _single(content_type: str, body: bytes) -> list[bytes]:
    lines = records(content_type, body)
    return lines[: MOST // 2] if len(lines) > 1 else []


def _changed(content_type: str, body: bytes) -> Iterator[bytes]:
    kind = kind_of(content_type)
    for number in range(1, MOST + 1):
        if is_json(kind):
            try:
                value = _moved(json.loads(body), number)
                yield json.dumps(value).encode()
            except (ValueError, RecursionError):
                return
        elif kind == CSV:
            cells = [line.split(b",") for line in records(content_type, body)]
            yield b"\n".join(b",".join(_moved_cell(c, number) for c in row) for row in cells)


def _moved(value: Any, by: int) -> Any:
    """The same value with every number shifted."""
    match value:
        case bool():
            return value
        case int() | float():
            return value + by
        case list():
            return [_moved(each, by) for each in value]
        case dict():
            return {name: _moved(each, by) for name, each in value.items()}
        case _:
            return value


def _moved_cell(cell: bytes, by: int) -> bytes:
    try:
        number = float(cell)
    except ValueError:
        return cell
    return repr(int(number) + by if number.is_integer() else number + by).encode()


def emptied(content_type: str, record: bytes) -> bytes | None:
    """A record with an empty cell, or null; None if it has only one cell."""
    if kind_of(content_type) == CSV:
        cells = record.split(b",")
        return b",".join([*cells[:-1], b""]) if len(cells) > 1 and b'"' not in record else None
    try:
        value = json.loads(record)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict) and len(value) > 1:
        return json.dumps({**value, list(value)[-1]: None}).encode()
    if isinstance(value, list) and len(value) > 1:
        return json.dumps([*value[:-1], None]).encode()
    return None


def _is_header(rows: list[list[str]]) -> bool:
    """Whether the first row has no number, and a later row has one."""
    first, *others = (any(map(is_number, row)) for row in rows)
    return not first and any(others)
