from __future__ import annotations

import csv
import json
import math
from collections import UserDict
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from buildkit_runtime import content, rest
from buildkit_runtime.content import CSV, JSON, JSON_LINES, NPY, UNKNOWN
from werkzeug.exceptions import BadRequest, HTTPException, NotAcceptable, UnsupportedMediaType

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = [[1.0, 2.0], [3.0, 4.5]]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(None, (UNKNOWN, "utf-8"), id="absent"),
        pytest.param("text/csv", (CSV, "utf-8"), id="plain"),
        pytest.param("Text/CSV; charset=latin-1; header=absent", (CSV, "latin-1"), id="parameters"),
        pytest.param('text/csv ; CHARSET="UTF-8";', (CSV, "UTF-8"), id="quoted"),
        pytest.param('text/csv; charset=""', (CSV, "utf-8"), id="an empty charset"),
        pytest.param("Application/X-JSONLines", ("application/x-jsonlines", "utf-8"), id="case"),
    ],
)
def test_content_types(header: str | None, expected: tuple[str, str]) -> None:
    assert content.parse_content_type(header) == expected


@pytest.mark.parametrize(
    ("accept", "content_type", "expected"),
    [
        pytest.param(None, CSV, CSV, id="CSV for CSV"),
        pytest.param(None, JSON, JSON, id="JSON for JSON"),
        pytest.param("*/*", JSON_LINES, JSON_LINES, id="anything, JSON Lines for JSON Lines"),
        pytest.param(None, "image/png", JSON, id="JSON for the rest"),
        pytest.param("", CSV, CSV, id="empty header"),
        pytest.param("application/json", CSV, JSON, id="asked for"),
        pytest.param("text/csv; charset=utf-8", JSON, CSV, id="with parameters"),
        pytest.param("text/csv;q=0.3, application/json", CSV, JSON, id="weights"),
        pytest.param("image/png, application/json;q=0.5", CSV, JSON, id="the one we know"),
        pytest.param("text/*", JSON, CSV, id="a family"),
        pytest.param("TEXT/CSV; Charset=UTF-8", JSON, CSV, id="case"),
        pytest.param("text/html, *; q=.2", CSV, CSV, id="Java's anything"),
        pytest.param(" , ", CSV, CSV, id="an empty list"),
        pytest.param("*/*, text/csv;q=0", CSV, JSON, id="anything but CSV"),
        pytest.param(
            "application/*, Application/JSON;q=0", JSON, JSON_LINES, id="a family but one"
        ),
        pytest.param("application/x-ndjson", CSV, "application/x-ndjson", id="other name"),
        pytest.param("image/png", CSV, "image/png", id="unknown ones are for the user's output_fn"),
    ],
)
def test_negotiation(accept: str | None, content_type: str, expected: str) -> None:
    assert content.choose_accept(accept, content_type) == expected


def test_the_default_answer_can_be_set_for_an_image() -> None:
    assert content.choose_accept("*/*", CSV, default=JSON) == JSON


@pytest.mark.parametrize("accept", ["image/*", "text/csv;q=0", "image/png;q=0", "*/*;q=0"])
def test_no_type_is_acceptable(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        content.choose_accept(accept, CSV)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param("1,2\n3,4.5", CSV, id="CSV"),
        pytest.param('1,"2"\r\n\r\n3,4.5\r\n', CSV, id="CSV of a spreadsheet"),
        pytest.param("[[1,2],[3,4.5]]", JSON, id="JSON rows"),
        pytest.param('{"instances": [[1,2],[3,4.5]]}', JSON, id="JSON instances"),
        pytest.param(
            '{"instances": [{"features": [1,2]}, {"features": [3,4.5]}]}', JSON, id="features"
        ),
        pytest.param("[1,2]\n\n[3,4.5]\n", JSON_LINES, id="JSON Lines"),
        pytest.param('{"features": [1,2]}\n[3,4.5]', JSON_LINES, id="JSON Lines of features"),
        pytest.param("[1,2]\n[3,4.5]", "application/x-jsonlines", id="other name"),
        pytest.param(b"[1,2]\n[3,4.5]", JSON_LINES, id="JSON Lines as they arrive"),
    ],
)
def test_all_spellings_of_two_rows(body: str | bytes, content_type: str) -> None:
    assert content.decode(body, content_type) == ROWS


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param("1,,3", CSV, id="CSV"),
        pytest.param("1;;3", CSV, id="CSV between semicolons"),
        pytest.param("1\t \t3", CSV, id="CSV between tabs"),
        pytest.param("[[1, null, 3]]", JSON, id="JSON"),
        pytest.param("[1, null, 3]", JSON_LINES, id="JSON Lines"),
    ],
)
def test_missing_values(body: str, content_type: str) -> None:
    ((first, missing, last),) = content.decode(body, content_type)
    assert (first, last) == (1, 3)
    assert math.isnan(missing)


# What `str.splitlines` takes for ends of lines; JSON allows the first three in strings.
ENDS = ("\x85", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\r")


@pytest.mark.parametrize("end", ENDS[:3])
def test_only_a_line_feed_separates_lines_of_json(end: str) -> None:
    body = f'["a{end}b"]\r\n["c"]\n \t\r\n'.encode()
    assert content.decode(body, JSON_LINES, text=True) == [[f"a{end}b"], ["c"]]


@pytest.mark.parametrize("end", ENDS)
def test_two_values_in_a_line_of_json_are_no_two_rows(end: str) -> None:
    with pytest.raises(BadRequest, match="line 1 is not JSON"):
        content.decode(f"[1]{end}[2]", JSON_LINES)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param('"a;\nb",1', [["a;\nb", 1.0]], id="a line end in quotes"),
        pytest.param('"a"";b",1', [['a";b', 1.0]], id="a quote in quotes"),
        pytest.param('"a,b";1', [["a,b", 1.0]], id="a comma in quotes"),
        pytest.param('5";1\n6";2', [['5"', 1.0], ['6"', 2.0]], id="inches"),
        pytest.param("\r\n\n1;2", [[1.0, 2.0]], id="below empty lines"),
    ],
)
def test_what_separates_cells_is_found_outside_of_quotes(body: str, expected: Any) -> None:
    assert content.decode(body, CSV, text=True) == expected


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "utf-16-le", "utf-32-be"])
def test_a_byte_order_mark_is_no_text(charset: str) -> None:
    assert content.to_text("\ufeff1,2".encode(charset), charset) == "1,2"


def test_json_lines_arrive_in_utf_8_whatever_their_charset() -> None:
    for charset in ("latin-1", "utf-16", "UTF-8"):
        body = content.to_body('["é"]'.encode(charset), JSON_LINES, charset)
        assert body == '["é"]'.encode()
    with pytest.raises(BadRequest, match="not ascii text"):
        content.to_body('["é"]'.encode(), JSON_LINES, "ascii")


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        pytest.param("1", JSON, [[1]], id="a number"),
        pytest.param('"a"', JSON, [["a"]], id="a text"),
        pytest.param('{"features": "a"}', JSON, [["a"]], id="a feature"),
        pytest.param('{"instances": [{"features": 1}]}', JSON, [[1]], id="an instance"),
        pytest.param("1\n2", JSON_LINES, [[1], [2]], id="lines of numbers"),
        pytest.param('"a"\n["b"]', JSON_LINES, [["a"], ["b"]], id="lines of texts"),
        pytest.param('{"features": "a"}\n"b"', JSON_LINES, [["a"], ["b"]], id="lines of features"),
    ],
)
def test_a_row_of_one_value_needs_no_list(body: str, content_type: str, expected: Any) -> None:
    assert content.decode(body, content_type, text=True) == expected


@pytest.mark.parametrize("body", ["true", "null", "{}", '{"features": null}', '{"features": true}'])
def test_values_that_are_no_number_or_text_are_no_row(body: str) -> None:
    for content_type in (JSON, JSON_LINES):
        with pytest.raises(BadRequest):
            content.decode(body, content_type, text=True)


@pytest.mark.parametrize("before", [131_072, 10, 10_000_000])
def test_a_cell_of_csv_may_be_as_long_as_the_body(before: int) -> None:
    """The limit of the csv module holds for the whole process; a script may have lowered it."""
    long = "a" * 200_000
    limit = csv.field_size_limit(before)
    try:
        assert content.decode(f'{long},1\n"{long}",2', CSV, text=True) == [[long, 1.0], [long, 2.0]]
        assert rest.to_request(long.encode(), CSV) == {"instances": [long]}
        assert csv.field_size_limit() >= before
        with pytest.raises(BadRequest, match="CSV line 1: could not convert"):
            content.decode(long, CSV)
    finally:
        csv.field_size_limit(limit)


def test_json_of_any_shape() -> None:
    image = [[[[1, 2], [3, 4]]], [[[5, 6], [7, 8]]]]
    assert content.decode(json.dumps(image), JSON) == image
    for ragged in ([[[1, 2], [3]]], [[[1], 2]], [[[1], [["a"]]]]):
        with pytest.raises(BadRequest):
            content.decode(json.dumps(ragged), JSON)


@pytest.mark.parametrize("body", ["[1, 2]", '{"features": [1, 2]}', '{"instances": [1, 2]}'])
def test_a_single_row_may_come_bare(body: str) -> None:
    assert content.decode(body, JSON) == [[1, 2]]


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        pytest.param("", CSV, "no rows", id="empty"),
        pytest.param("1,2\n3,x", CSV, "CSV line 2", id="a word"),
        pytest.param("1,2\n3", CSV, "row 2 has 1 values", id="ragged"),
        pytest.param('1,"2', CSV, "CSV line", id="open quote"),
        pytest.param("[[1, 2", JSON, "not JSON", id="truncated"),
        pytest.param("[" * 100_000, JSON, "not JSON", id="nested too deep"),
        pytest.param('{"rows": []}', JSON, "object without `instances`", id="other key"),
        pytest.param("null", JSON, "no rows", id="null"),
        pytest.param("[[true]]", JSON, "not a number", id="boolean"),
        pytest.param('[[1], "a"]', JSON, "row 2", id="mixed"),
        pytest.param("[[]]", JSON, "row 1", id="empty row"),
        pytest.param("[1]\n[2", JSON_LINES, "line 2", id="truncated line"),
        pytest.param("{}", JSON_LINES, "row 1", id="no features"),
    ],
)
def test_bad_bodies_are_the_clients_fault(body: str, content_type: str, text: str) -> None:
    with pytest.raises(BadRequest, match=text):
        content.decode(body, content_type)


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        pytest.param("1,a\n2,", CSV, [[1.0, "a"], [2.0, ""]], id="a column of CSV"),
        pytest.param('"a,b";1\né;2', CSV, [["a,b", 1.0], ["é", 2.0]], id="between semicolons"),
        pytest.param("1,2\n3,x", CSV, [[1.0, "2"], [3.0, "x"]], id="a word among numbers"),
        pytest.param("x", CSV, [["x"]], id="a word"),
        pytest.param('[["a", 1], ["b", 2]]', JSON, [["a", 1], ["b", 2]], id="JSON"),
        pytest.param('["a", 1]', JSON, [["a", 1]], id="one row of JSON"),
        pytest.param(
            '["a", 1]\n{"features": ["b", 2]}', JSON_LINES, [["a", 1], ["b", 2]], id="lines"
        ),
        pytest.param("1,2\n3,4", CSV, [[1.0, 2.0], [3.0, 4.0]], id="numbers are numbers"),
        pytest.param('1,"2\n3"', CSV, [[1.0, "2\n3"]], id="two lines in a cell"),
        pytest.param('["1", "2\\n3"]', JSON, [[1.0, "2\n3"]], id="two lines in JSON"),
        pytest.param(
            '[["1", "a"], ["2", "b"]]', JSON, [[1.0, "a"], [2.0, "b"]], id="by column of JSON"
        ),
        pytest.param('[["007", "1"]]', JSON, [[7.0, 1.0]], id="quoted numbers, as AWS"),
        pytest.param('[["007", "x"]]', JSON, [[7.0, "x"]], id="beside a text"),
        pytest.param("007,x", CSV, [[7.0, "x"]], id="the same in CSV"),
        pytest.param('[["1"], ["x"]]', JSON, [["1"], ["x"]], id="one text keeps a column"),
        pytest.param('[["1"], [2]]', JSON, [[1.0], [2.0]], id="quoted and not"),
        pytest.param('[["", 1]]', JSON, [["", 1]], id="an empty text of JSON is one"),
        pytest.param(
            '[[["1", "a"]], [["2", "3"]]]', JSON, [[[1.0, "a"]], [[2.0, "3"]]], id="deeper"
        ),
    ],
)
def test_rows_may_hold_texts(body: str, content_type: str, expected: list[Any]) -> None:
    assert content.decode(body, content_type, text=True) == expected
    has_text = "'" in str(expected)
    assert content.holds_text(expected) == has_text
    if has_text:
        with pytest.raises(BadRequest):
            content.decode(body, content_type)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param("a,b\nc", "row 2 has 1 values", id="ragged"),
        pytest.param('a,b\n"c', "CSV line 2", id="open quote"),
        pytest.param('1,b\n2,"c"d', "CSV line 2", id="odd quote"),
    ],
)
def test_texts_are_read_as_strictly_as_numbers(body: str, text: str) -> None:
    with pytest.raises(BadRequest, match=text):
        content.decode(body, CSV, text=True)


def test_text_arrives_decoded_and_other_bodies_as_bytes() -> None:
    assert content.to_body(b"\xef\xbb\xbf1,2", CSV, "utf-8") == "1,2"
    assert content.to_body("é".encode("latin-1"), JSON, "latin-1") == "é"
    assert content.to_body(b"\x93NUMPY", NPY, "utf-8") == b"\x93NUMPY"
    assert content.to_body(b"[1]", JSON_LINES, "utf-8") == b"[1]"


@pytest.mark.parametrize(
    ("data", "charset", "expected"),
    [
        pytest.param(b"\xff", "utf-8", BadRequest, id="not what it says"),
        pytest.param(b"1", "klingon", UnsupportedMediaType, id="unknown charset"),
    ],
)
def test_bodies_that_are_not_text(data: bytes, charset: str, expected: type[HTTPException]) -> None:
    with pytest.raises(expected):
        content.to_body(data, CSV, charset)


def test_types_nobody_handles() -> None:
    with pytest.raises(UnsupportedMediaType, match="cannot read image/png; send text/csv"):
        content.decode(b"", "image/png")
    with pytest.raises(NotAcceptable, match="cannot answer with image/png"):
        content.encode([1], "image/png")


class Array:
    """What arrays, tensors and scalars of numpy have in common."""

    def __init__(self, value: object) -> None:
        self.value = value

    def tolist(self) -> object:
        return self.value


class Table:
    """A DataFrame has no `tolist`, and iterating it gives the names of its columns."""

    def __array__(self) -> Array:
        return Array([[1, 2.5], [3, "a"]])

    def __iter__(self) -> Iterator[str]:
        return iter("ab")


@pytest.mark.parametrize(
    ("accept", "prediction", "expected"),
    [
        pytest.param(CSV, [0, 1, 2], "0\n1\n2", id="CSV, no newline at the end"),
        pytest.param(CSV, [[0.5, 0.25], [1.0, 0.0]], "0.5,0.25\n1.0,0.0", id="CSV of vectors"),
        pytest.param(CSV, [["king", 0.91]], "king,0.91", id="CSV of labels with scores"),
        pytest.param(CSV, Array(3.0), "3.0", id="CSV of a scalar"),
        pytest.param(CSV, [Array([1, 2]), (3,)], "1,2\n3", id="CSV of vectors, ragged"),
        pytest.param(CSV, [[[1, 2], "a"]], '"[1, 2]",a', id="CSV of matrices"),
        pytest.param(CSV, {"p": Array([1])}, '"{""p"": [1]}"', id="CSV of an object"),
        pytest.param(CSV, "a,b", '"a,b"', id="CSV of a text"),
        pytest.param(CSV, [["a\rb", "c\nd"]], '"a\rb","c\nd"', id="CSV of ends of lines"),
        pytest.param(
            CSV, [[Decimal("1.5"), 1j, date(2026, 1, 2)]], "1.5,1j,2026-01-02", id="cells"
        ),
        pytest.param(CSV, bytearray(b"ab"), "97\n98", id="CSV of a bytearray, as numpy"),
        pytest.param(CSV, [bytearray(b"ab")], "97,98", id="CSV of a row of a bytearray"),
        pytest.param(CSV, Table(), "1,2.5\n3,a", id="CSV of a table"),
        pytest.param(JSON, [0, 1], "[0, 1]", id="JSON"),
        pytest.param(JSON, [("king", 0.91)], '[["king", 0.91]]', id="JSON of labels with scores"),
        pytest.param(JSON, Array(3.0), "3.0", id="JSON of a scalar"),
        pytest.param(JSON, {"label": 1}, '{"label": 1}', id="JSON of an object"),
        pytest.param(JSON, {"p": Array([0.1])}, '{"p": [0.1]}', id="JSON of arrays in an object"),
        pytest.param(JSON, [[1], [1, 2]], "[[1], [1, 2]]", id="JSON, ragged"),
        pytest.param(JSON, Array([Array(1)]), "[1]", id="JSON of arrays in arrays"),
        pytest.param(JSON, "yes", '"yes"', id="JSON of a text"),
        pytest.param(JSON, Table(), '[[1, 2.5], [3, "a"]]', id="JSON of a table"),
        pytest.param(JSON, (each for each in (1, 2)), "[1, 2]", id="JSON of what is iterated"),
        pytest.param(JSON, UserDict(a=range(2)), '{"a": [0, 1]}', id="JSON of a mapping"),
        pytest.param(JSON_LINES, [0, "a"], '{"prediction": 0}\n{"prediction": "a"}', id="lines"),
        pytest.param(JSON_LINES, "ab", '{"prediction": "ab"}', id="a line of a text"),
        pytest.param(JSON_LINES, {"a": 1}, '{"prediction": {"a": 1}}', id="a line of an object"),
        pytest.param(JSON_LINES, Array([1]), '{"prediction": 1}', id="lines of an array"),
    ],
)
def test_answers(accept: str, prediction: object, expected: str) -> None:
    assert content.encode(prediction, accept) == expected


@pytest.mark.parametrize("value", [b"a", [bytearray(b"a")], {"a": 1j}, object(), [{"a": object}]])
def test_what_json_cannot_hold(value: object) -> None:
    with pytest.raises(TypeError, match="cannot answer with a value of type"):
        content.encode(value, JSON)
