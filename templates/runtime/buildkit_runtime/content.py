"""CSV, JSON and JSON Lines bodies -> rows; predictions -> bodies, in the type a request accepts."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, time, timedelta
from numbers import Number, Real
from types import SimpleNamespace
from typing import Any, Callable, Union

from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import BadRequest, NotAcceptable, UnsupportedMediaType
from werkzeug.http import parse_accept_header, parse_options_header

from buildkit_runtime import cells

CSV = "text/csv"
JSON = "application/json"
JSON_LINES = "application/jsonlines"
NPY = "application/x-npy"
# The type of a body without Content-Type, according to HTTP.
UNKNOWN = "application/octet-stream"

Body = Union[str, bytes]
Rows = Sequence[Sequence[float]]

# All names of JSON Lines.
LINES = (JSON_LINES, "application/x-jsonlines", "application/x-ndjson")
# The first of these that stands in the first line separates the cells of CSV.
DELIMITERS = ",;\t"
# input_fn gets text for these types, as in AWS's serving toolkit (ITK-05), bytes for others.
_TEXT = frozenset({CSV, JSON})
_UTF8 = ("utf-8", "utf8")
_JSON_BLANKS = " \t\r\n"
# A cell of CSV in quotes, whatever separates cells; the first line, in which such cells may have
# line ends.
_QUOTED = re.compile(r'(?<![^,;\t\n])"[^"]*(?:""[^"]*)*"')
_FIRST_LINE = re.compile(rf'(?:{_QUOTED.pattern}|[^"\n]+|")*')
# The most dimensions of an array in numpy 1.
_DEEPEST = 32
# The types that a cell of CSV can hold unchanged.
_CELLS = frozenset({str, int, float, bool, bytes, type(None)})
# Other types whose text can be read back; JSON has no form for them.
_WRITTEN = (type(None), bytes, Number, date, time, timedelta)


def parse_content_type(header: str | None) -> tuple[str, str]:
    """Media type in lower case, and the charset (SERVE-12)."""
    media_type, options = parse_options_header(header)
    return media_type.lower() or UNKNOWN, options.get("charset") or "utf-8"


def to_body(data: bytes, media_type: str, charset: str) -> Body:
    """Text for CSV and JSON, bytes for other types: of JSON Lines always in UTF-8."""
    if media_type in _TEXT:
        return to_text(data, charset)
    is_foreign = media_type in LINES and charset.lower() not in _UTF8
    return to_text(data, charset).encode("utf-8", "surrogatepass") if is_foreign else data


def to_text(body: Body, charset: str = "utf-8") -> str:
    """The text of bytes in the charset of the request; text is returned unchanged."""
    if isinstance(body, str):
        return body
    if "\0" in charset:
        raise UnsupportedMediaType(f"unknown charset {charset!r}")
    try:
        # Spreadsheets write a byte order mark.
        return body.decode(charset).removeprefix("\ufeff")
    except LookupError as error:
        raise UnsupportedMediaType(f"unknown charset {charset}") from error
    except (ValueError, OverflowError) as error:
        # Not all codecs raise UnicodeDecodeError: idna and punycode raise others.
        raise BadRequest(f"the body is not {charset} text") from error


def choose_accept(header: str | None, content_type: str, default: str = "") -> str:
    """The media type of the answer: if the client accepts any, that of the request, or JSON.

    An unknown type is passed on, because the user's output_fn may know it.
    """
    first = default or (content_type if content_type in ENCODERS or content_type == NPY else JSON)
    # Java's clients send `*; q=.2`.
    listed = (header or "").strip(" ,").replace("q=.", "q=0.")
    given = parse_accept_header(listed or "*/*", MIMEAccept)
    # werkzeug does not match `text/csv; charset=utf-8` with text/csv, and does not exclude types
    # by q=0 from a range.
    accept = MIMEAccept([(_media_range(value), weight) for value, weight in given if weight > 0])
    excluded = {_media_range(value).lower() for value, weight in given if weight <= 0}
    known = [value for value in (first, *ENCODERS, NPY) if value not in excluded]
    best = accept.best_match(known)
    if best is None:
        best = next((value for value in accept.values() if "*" not in value), "")
    if not best:
        raise NotAcceptable(
            f"cannot answer with {header}; supported: {', '.join((*ENCODERS, NPY))}"
        )
    return best


def _media_range(value: str) -> str:
    media_range = value.partition(";")[0].strip()
    return "*/*" if media_range == "*" else media_range


def decode(
    body: Body, content_type: str, *, text: bool = False, delimiters: str = DELIMITERS
) -> list[list[Any]]:
    """Rows with the same number of numbers, or of lists of the same shape; NaN is a missing value.

    With `text`, rows may contain texts: a column whose texts are all numbers becomes floats,
    whatever the other columns are. Raises BadRequest or UnsupportedMediaType.
    """
    decoder = DECODERS.get(content_type)
    if decoder is None:
        raise unsupported(content_type, DECODERS)
    number: Callable[[str], float] = float
    if decoder is _decode_csv:
        # An empty text is a text in JSON, whose missing value is null.
        number = _number
        found = _decode_csv(to_text(body), text=text, delimiters=delimiters)
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
    """The text of a prediction. Raises NotAcceptable, or TypeError for values without a text."""
    encoder = ENCODERS.get(accept)
    if encoder is None:
        raise unacceptable(accept, ENCODERS)
    try:
        return encoder(prediction)
    except RecursionError as error:
        raise TypeError("cannot answer with values that are nested so deeply") from error
    except (ValueError, csv.Error) as error:
        # A list that contains itself, an integer with more digits than Python writes.
        raise TypeError(f"cannot answer with this prediction: {error}") from error


def as_plain(value: Any) -> Any:
    """A value for JSON instead of an array, a tensor, a table or another iterable.

    AWS's encoder only knows `tolist`, which is also the fast way for arrays.
    """
    if hasattr(value, "tolist"):
        plain = value.tolist()
        if type(plain) is not type(value):
            return plain
        if isinstance(value, Real):  # numpy.longdouble, which has no exact number in Python
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
    """An error of the client, with the first line of a library's message."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return BadRequest(what + lines[0])


def unsupported(content_type: str, offered: Iterable[str]) -> UnsupportedMediaType:
    return UnsupportedMediaType(f"cannot read {content_type}; send {', '.join(offered)}")


def unacceptable(accept: str, offered: Iterable[str]) -> NotAcceptable:
    return NotAcceptable(f"cannot answer with {accept}; supported: {', '.join(offered)}")


def check_rows(rows: Any, *, text: bool = False) -> list[list[Any]]:
    """Checks that there is a row, and that all rows have one shape and allowed values."""
    if not isinstance(rows, list) or not rows:
        raise BadRequest("no rows in the body")
    allowed = (int, float, str) if text else (int, float)
    return [_row(row, number, rows[0], allowed) for number, row in enumerate(rows, start=1)]


def _row(row: Any, number: int, first: Any, allowed: tuple[type, ...], depth: int = 2) -> list[Any]:
    if depth > _DEEPEST:
        raise BadRequest(f"row {number} is nested deeper than {_DEEPEST} lists")
    if isinstance(row, list) != isinstance(first, list):
        raise BadRequest(f"row {number} mixes lists with values, or is nested unlike row 1")
    if not isinstance(row, list) or not row:
        raise BadRequest(f"row {number} is not a list of numbers")
    if len(row) != len(first):
        raise BadRequest(f"row {number} has {len(row)} values, row 1 has {len(first)}")
    if isinstance(first[0], list) or any(isinstance(value, list) for value in row):
        return [_row(value, number, first[0], allowed, depth + 1) for value in row]
    if any(value is not None and type(value) not in allowed for value in row):
        raise BadRequest(f"row {number} contains a value that is not a number")
    return [math.nan if value is None else value for value in row]


def _decode_csv(body: str, *, text: bool = False, delimiters: str = DELIMITERS) -> list[list[Any]]:
    """Numbers between delimiters; an empty cell is a missing value.

    With `text`, all cells are texts if one of them is not a number.
    """
    delimiter = _delimiter(body, delimiters)
    reader = cells.reader(body, delimiter, strict=True)
    try:
        return [[_number(cell) for cell in row] for row in reader if row]
    except csv.Error as error:
        raise BadRequest(f"CSV line {reader.line_num}: {error}") from error
    except ValueError as error:
        if text:
            return _decode_texts(body, delimiter)
        raise BadRequest(f"CSV line {reader.line_num}: {error}") from error


def _delimiter(body: str, delimiters: str) -> str:
    """The first that is in the first line that is not empty, outside of quotes; or a comma."""
    first = _FIRST_LINE.match(body.lstrip("\r\n"))
    outside = _QUOTED.sub("", first[0]) if first else ""
    return next((each for each in delimiters if each in outside.strip(" ")), ",")


def _decode_texts(body: str, delimiter: str) -> list[list[Any]]:
    reader = cells.reader(body, delimiter, strict=True)
    try:
        return [[*row] for row in reader if row]
    except csv.Error as error:
        raise BadRequest(f"CSV line {reader.line_num}: {error}") from error


def _in_columns(rows: Sequence[Any], number: Callable[[str], float]) -> list[Any]:
    """Rows of one shape, in which the texts of a column are numbers if all of them can be.

    A column has the values at the same place of each row, also of nested lists.
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
        if not value.keys() & {"instances", "features"}:
            raise BadRequest("the body is an object without `instances` or `features`")
        value = value.get("instances", [value])
    value = _alone(value)
    if isinstance(value, list) and value and not isinstance(value[0], (list, dict)):
        value = [value]
    return [_features(row) for row in value] if isinstance(value, list) else value


def _decode_json_lines(text: str) -> Any:
    """A row in each line: `[1, 2]`, one value, or `{"features": ...}` of these."""
    found = [_load_json(line, f"line {number}") for number, line in split_lines(text)]
    return [_alone(_features(row)) for row in found]


def split_lines(text: str) -> Iterator[tuple[int, str]]:
    """The number and the text of each line of JSON Lines that is not blank.

    Only a line feed separates them: strings may contain all others that `splitlines` knows.
    """
    lines = enumerate(text.split("\n"), start=1)
    return ((number, line) for number, line in lines if line.strip(_JSON_BLANKS))


def _features(row: Any) -> Any:
    return _alone(row.get("features")) if isinstance(row, dict) else row


def _alone(row: Any) -> Any:
    """A row of one number or text may be that value itself."""
    return [row] if isinstance(row, (int, float, str)) else row


def _load_json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{what} is not JSON: {error}") from error


def _encode_csv(prediction: Any) -> str:
    """One line per record, without a newline at the end, which batch transform adds (BATCH-05)."""
    lines: list[str] = []
    # With this line end, the writer quotes texts with \r or \n, which readers take for line ends.
    writer = csv.writer(SimpleNamespace(write=lines.append), lineterminator="\r\n")
    for record in _records(_bytes_as_numbers(prediction)):
        if type(record) in _CELLS:
            writer.writerow((record,))
            continue
        row = _bytes_as_numbers(record)
        row = row if isinstance(row, (list, tuple)) else [row]
        writer.writerow([cell if type(cell) in _CELLS else _cell(cell) for cell in row])
    return "\n".join([line[:-2] for line in lines]).rstrip("\n")


def _bytes_as_numbers(value: Any) -> Any:
    """As numpy, and with it AWS's encoders, reads a bytearray, but not bytes."""
    return list(value) if isinstance(value, bytearray) else value


def _encode_json(prediction: Any) -> str:
    """Only the prediction, as in AWS's framework containers: clients index it (ITK-02)."""
    return json.dumps(prediction, default=as_plain)


def _encode_json_lines(prediction: Any) -> str:
    encode_one = json.JSONEncoder(default=as_plain).encode
    return "\n".join(encode_one({"prediction": record}) for record in _records(prediction))


def _records(prediction: Any) -> Sequence[Any]:
    """The rows of a prediction; a prediction without rows, such as an object or text, is one."""
    plain = _unpacked(prediction)
    if not isinstance(plain, (list, tuple)):
        return [plain]
    return [row if type(row) in _CELLS else _unpacked(row) for row in plain]


def _unpacked(value: Any) -> Any:
    """A list instead of another kind of collection; other values are returned unchanged."""
    known = (str, bytes, int, float, list, tuple, dict, type(None))
    if isinstance(value, known) and not hasattr(value, "tolist"):
        return value
    try:
        return as_plain(value)
    except TypeError:
        return value


def _cell(value: Any) -> Any:
    """A cell: JSON text for a list or an object, else Python's text."""
    plain = _unpacked(value)
    if isinstance(plain, (list, tuple, dict)):
        return json.dumps(plain, default=_plain_or_text)
    return _written(plain)


def _plain_or_text(value: Any) -> Any:
    plain = _unpacked(value)
    return str(_written(value)) if plain is value else plain


def _written(value: Any) -> Any:
    """Numbers, texts, bytes and times. A member of an enum becomes its value, as in JSON."""
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
