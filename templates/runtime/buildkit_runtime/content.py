"""CSV, JSON and JSON Lines bodies -> rows; predictions -> bodies; which of them a request wants."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time, timedelta
from numbers import Number, Real
from types import SimpleNamespace
from typing import Any, Callable, Union

from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import BadRequest, NotAcceptable, UnsupportedMediaType
from werkzeug.http import parse_accept_header, parse_options_header

CSV = "text/csv"
JSON = "application/json"
JSON_LINES = "application/jsonlines"
NPY = "application/x-npy"
# What a body without a declared type is, per HTTP.
UNKNOWN = "application/octet-stream"

Body = Union[str, bytes]
Rows = Sequence[Sequence[float]]

# All names that JSON Lines go by.
LINES = (JSON_LINES, "application/x-jsonlines", "application/x-ndjson")
# Text for these, as users of AWS's serving toolkit expect in input_fn (ITK-05); bytes for others.
_TEXT = frozenset({CSV, JSON})
_QUOTED = re.compile(r'"[^"]*"')
# As many dimensions as an array has in numpy 1.
_DEEPEST = 32
# What a cell of CSV can hold as it is.
_CELLS = frozenset({str, int, float, bool, bytes, type(None)})
# What else Python writes in a way that can be read again; JSON has no form for these.
_WRITTEN = (type(None), bytes, Number, date, time, timedelta)


def parse_content_type(header: str | None) -> tuple[str, str]:
    """Media type in lower case, and the charset (SERVE-12)."""
    media_type, options = parse_options_header(header)
    return media_type.lower() or UNKNOWN, options.get("charset", "utf-8")


def to_body(data: bytes, media_type: str, charset: str) -> Body:
    """Text for CSV and JSON, the bytes themselves otherwise."""
    return to_text(data, charset) if media_type in _TEXT else data


def to_text(body: Body, charset: str = "utf-8") -> str:
    """Text of bytes in a charset that the request names; text stays as it is."""
    if isinstance(body, str):
        return body
    if "\0" in charset:
        raise UnsupportedMediaType(f"unknown charset {charset!r}")
    try:
        # "utf-8-sig" also takes the mark that spreadsheets put first.
        is_utf8 = codecs.lookup(charset).name == "utf-8"
        return body.decode("utf-8-sig" if is_utf8 else charset)
    except LookupError as error:
        raise UnsupportedMediaType(f"unknown charset {charset}") from error
    except (ValueError, OverflowError) as error:
        # Not all codecs raise UnicodeDecodeError: idna and punycode have errors of their own.
        raise BadRequest(f"the body is not {charset} text") from error


def choose_accept(header: str | None, content_type: str, default: str = "") -> str:
    """One media type to answer with: that of the request, or JSON, when the client leaves it open.

    A type we do not know is passed on: the user's output_fn may.
    """
    first = default or (content_type if content_type in ENCODERS or content_type == NPY else JSON)
    given = parse_accept_header(header or "*/*", MIMEAccept)
    # `text/csv; charset=utf-8` is text/csv to us, but not to werkzeug.
    accept = MIMEAccept([(value.partition(";")[0], weight) for value, weight in given])
    known = [first, *ENCODERS, NPY]
    best = accept.best_match(known)
    if best is None:
        best = next((value for value in accept.values() if "*" not in value), "")
    if not best:
        raise NotAcceptable(f"cannot answer with {header}; offered are {', '.join(known[1:])}")
    return best


def decode(body: Body, content_type: str, *, text: bool = False) -> list[list[Any]]:
    """Rows of equally many numbers, or of equally shaped lists of them; NaN for what is missing.

    With `text` they may hold texts, too: a column whose texts all are numbers is one of floats,
    whatever the other columns are. An HTTP error says what is wrong.
    """
    decoder = DECODERS.get(content_type)
    if decoder is None:
        raise unsupported(content_type, DECODERS)
    number: Callable[[str], float] = float
    if decoder is _decode_csv:
        # JSON's missing values are null: an empty text is a text there.
        number, found = _number, _decode_csv(to_text(body), text=text)
    else:
        found = decoder(to_text(body))
    rows = check_rows(found, text=text)
    return _in_columns(rows, number) if text and holds_text(rows) else rows


def holds_text(rows: Any) -> bool:
    """Whether `decode` found texts among the numbers."""
    if not isinstance(rows, list):
        return isinstance(rows, str)
    types = set(map(type, rows))
    return str in types or (list in types and any(map(holds_text, rows)))


def encode(prediction: Any, accept: str) -> str:
    """Text of what a model predicts. Raise NotAcceptable, TypeError for what no text can hold."""
    encoder = ENCODERS.get(accept)
    if encoder is None:
        raise unacceptable(accept, ENCODERS)
    try:
        return encoder(prediction)
    except RecursionError as error:
        raise TypeError("cannot answer with values that are nested this deep") from error
    except (ValueError, csv.Error) as error:
        # A list that holds itself, an integer of more digits than Python writes.
        raise TypeError(f"cannot answer with this prediction: {error}") from error


def as_plain(value: Any) -> Any:
    """What JSON can hold in place of an array, a tensor, a table or anything that can be iterated.

    `tolist` is all that AWS's encoder knows. It also is the fast way out of an array.
    """
    if hasattr(value, "tolist"):
        plain = value.tolist()
        if type(plain) is not type(value):
            return plain
        if isinstance(value, Real):  # numpy.longdouble, which no number of Python's can hold
            return float(value)
        raise _unanswerable(value)
    for name in ("asnumpy", "toarray", "__array__"):  # MXNet, sparse matrices, tables of pandas
        if hasattr(value, name):
            return getattr(value, name)().tolist()
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray, memoryview)):
        return dict(value) if isinstance(value, Mapping) else list(value)
    raise _unanswerable(value)


def _unanswerable(value: Any) -> TypeError:
    return TypeError(f"cannot answer with a value of type {type(value).__name__}")


def bad_request(error: Exception, what: str = "") -> BadRequest:
    """The client's mistake, told by the first line of what a library says of it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return BadRequest(what + lines[0])


def unsupported(content_type: str, offered: Mapping[str, Any]) -> UnsupportedMediaType:
    return UnsupportedMediaType(f"cannot read {content_type}; send {', '.join(offered)}")


def unacceptable(accept: str, offered: Mapping[str, Any]) -> NotAcceptable:
    return NotAcceptable(f"cannot answer with {accept}; offered are {', '.join(offered)}")


def check_rows(rows: Any, *, text: bool = False) -> list[list[Any]]:
    """At least one row, all of one shape, of numbers only, or of numbers and texts."""
    if not isinstance(rows, list) or not rows:
        raise BadRequest("no rows in the body")
    allowed = (int, float, str) if text else (int, float)
    return [_row(row, number, rows[0], allowed) for number, row in enumerate(rows, start=1)]


def _row(row: Any, number: int, first: Any, allowed: tuple[type, ...], depth: int = 2) -> list[Any]:
    if depth > _DEEPEST:
        raise BadRequest(f"row {number} is nested deeper than {_DEEPEST} lists")
    if not isinstance(row, list) or not row or not isinstance(first, list):
        raise BadRequest(f"row {number} is not a list of numbers")
    if len(row) != len(first):
        raise BadRequest(f"row {number} has {len(row)} values, row 1 has {len(first)}")
    if any(isinstance(value, list) for value in row):
        return [_row(value, number, first[0], allowed, depth + 1) for value in row]
    if any(value is not None and type(value) not in allowed for value in row):
        raise BadRequest(f"row {number} holds something that is not a number")
    return [math.nan if value is None else value for value in row]


def _decode_csv(body: str, *, text: bool = False) -> list[list[Any]]:
    """Numbers between commas, or else semicolons or tabs; an empty cell is a missing value.

    With `text`, all cells as texts where one of them is no number.
    """
    head = _QUOTED.sub("", body.partition("\n")[0])
    delimiter = next((each for each in ",;\t" if each in head), ",")
    reader = csv.reader(io.StringIO(body), delimiter=delimiter, strict=True)
    try:
        return [[_number(cell) for cell in cells] for cells in reader if cells]
    except csv.Error as error:
        raise BadRequest(f"CSV line {reader.line_num}: {error}") from error
    except ValueError as error:
        if text:
            return _decode_texts(body, delimiter)
        raise BadRequest(f"CSV line {reader.line_num}: {error}") from error


def _decode_texts(body: str, delimiter: str) -> list[list[Any]]:
    reader = csv.reader(io.StringIO(body), delimiter=delimiter, strict=True)
    try:
        return [[*cells] for cells in reader if cells]
    except csv.Error as error:
        raise BadRequest(f"CSV line {reader.line_num}: {error}") from error


def _in_columns(rows: Sequence[Any], number: Callable[[str], float]) -> list[Any]:
    """Rows of one shape, the texts of a column as numbers where all of them are.

    A column is what stands at one place of each row, however deep.
    """
    if isinstance(rows[0], list):
        columns = [_in_columns(column, number) for column in zip(*rows)]
        return [list(row) for row in zip(*columns)]
    try:
        return [number(value) if isinstance(value, str) else value for value in rows]
    except ValueError:
        return list(rows)


def _number(cell: str) -> float:
    return float(cell) if cell.strip() else math.nan


def _decode_json(text: str) -> Any:
    """`[[1, 2], ...]`, one row `[1, 2]`, one number, or `{"instances": [...]}` of these."""
    value = _load_json(text, "the body")
    if isinstance(value, dict):
        value = value.get("instances", [value] if "features" in value else None)
    if isinstance(value, (int, float, str)):
        value = [value]
    if isinstance(value, list) and value and not isinstance(value[0], (list, dict)):
        value = [value]
    return [_features(row) for row in value] if isinstance(value, list) else value


def _decode_json_lines(text: str) -> Any:
    lines = text.splitlines()
    return [
        _features(_load_json(line, f"line {number}"))
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def _features(row: Any) -> Any:
    return row.get("features") if isinstance(row, dict) else row


def _load_json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{what} is not JSON: {error}") from error


def _encode_csv(prediction: Any) -> str:
    """One line per record; none after the last, batch assembly adds its own (BATCH-05)."""
    lines: list[str] = []
    # With this end of a line the writer quotes both of its characters, which readers trip over.
    writer = csv.writer(SimpleNamespace(write=lines.append), lineterminator="\r\n")
    for record in _records(prediction):
        if type(record) in _CELLS:
            writer.writerow((record,))
            continue
        cells = record if isinstance(record, (list, tuple)) else [record]
        writer.writerow([cell if type(cell) in _CELLS else _cell(cell) for cell in cells])
    return "\n".join([line[:-2] for line in lines]).rstrip("\n")


def _encode_json(prediction: Any) -> str:
    """The prediction alone, as AWS's framework containers answer: clients index it (ITK-02)."""
    return json.dumps(prediction, default=as_plain)


def _encode_json_lines(prediction: Any) -> str:
    encode_one = json.JSONEncoder(default=as_plain).encode
    return "\n".join(encode_one({"prediction": record}) for record in _records(prediction))


def _records(prediction: Any) -> Sequence[Any]:
    """The rows of what has rows; anything else is one record, an object and a text too."""
    plain = _unpacked(prediction)
    if not isinstance(plain, (list, tuple)):
        return [plain]
    return [row if type(row) in _CELLS else _unpacked(row) for row in plain]


def _unpacked(value: Any) -> Any:
    """A list for what holds other values, but is neither a list nor an object."""
    known = (str, bytes, int, float, list, tuple, dict, type(None))
    if isinstance(value, known) and not hasattr(value, "tolist"):
        return value
    try:
        return as_plain(value)
    except TypeError:
        return value


def _cell(value: Any) -> Any:
    """A list or an object in one cell is JSON text; the rest is what Python writes."""
    plain = _unpacked(value)
    if isinstance(plain, (list, tuple, dict)):
        return json.dumps(plain, default=_plain_or_text)
    return _written(plain)


def _plain_or_text(value: Any) -> Any:
    plain = _unpacked(value)
    return str(_written(value)) if plain is value else plain


def _written(value: Any) -> Any:
    """Numbers, texts, bytes and times; members of enums as the values that they are, as in JSON."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, _WRITTEN):
        return value
    raise _unanswerable(value)


DECODERS: Mapping[str, Callable[[str], Any]] = {
    CSV: _decode_csv,
    JSON: _decode_json,
    **dict.fromkeys(LINES, _decode_json_lines),
}
ENCODERS: Mapping[str, Callable[[Any], str]] = {
    CSV: _encode_csv,
    JSON: _encode_json,
    **dict.fromkeys(LINES, _encode_json_lines),
}
