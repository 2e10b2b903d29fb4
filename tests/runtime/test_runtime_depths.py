"""Rows that are nested unlike others: no row loses or splits a value, and none is an error 500."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from buildkit_runtime import arrays, content
from buildkit_runtime.content import JSON, JSON_LINES
from werkzeug.exceptions import BadRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    Read = Any


def plain(body: str, content_type: str) -> Any:
    """As images without a framework."""
    return content.decode(body, content_type, text=True)


READERS = (plain, arrays.input_fn, arrays.numbers)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param('[[["7", "8"]], ["56"]]', JSON, id="a text of two digits"),
        pytest.param('[[["a"], ["b"]], ["xy", "zw"]]', JSON, id="texts of two letters"),
        pytest.param('[[["a"], ["b"]], ["x", "y"]]', JSON, id="texts of one letter"),
        pytest.param('[[["a"]], [2.5]]', JSON, id="a number after a text"),
        pytest.param('[[["a", "b"]], [null]]', JSON, id="null"),
        pytest.param('[[[1]], ["a"]]', JSON, id="a text after a number"),
        pytest.param("[[[1]], [2]]", JSON, id="numbers"),
        pytest.param("[[[[1]], [[2]]], [[3], [4]]]", JSON, id="a list too few, far down"),
        pytest.param('[[[["12"], ["34"]], ["56", "78"]]]', JSON, id="in one row"),
        pytest.param("[[[1, 2]], [[3, [4]]]]", JSON, id="a list too many, far down"),
        pytest.param("[[[1], 2]]", JSON, id="a number beside a list"),
        pytest.param("[[1, [2]]]", JSON, id="a list beside a number"),
        pytest.param('[[["a"]], []]', JSON, id="an empty row"),
        pytest.param('[[["a"]], [[]]]', JSON, id="an empty list"),
        pytest.param('[[[]], ["a"]]', JSON, id="an empty list first"),
        pytest.param('[[["a"]], [{"b": 1}]]', JSON, id="an object"),
        pytest.param('[[["a"]], [true]]', JSON, id="true"),
        pytest.param('[[["a"]], "b"]', JSON, id="a text as a row"),
        pytest.param('{"instances": [[["a"]], [1]]}', JSON, id="instances"),
        pytest.param(
            '{"instances": [{"features": [["x"]]}, {"features": [3]}]}', JSON, id="features"
        ),
        pytest.param('[["a"]]\n[1]', JSON_LINES, id="lines"),
        pytest.param('[["a"]]\n"b"', JSON_LINES, id="a line of one text"),
        pytest.param('["a"]\n[["b"]]', JSON_LINES, id="a deeper line"),
        pytest.param('{"features": [["x"]]}\n{"features": "yz"}', JSON_LINES, id="a feature"),
    ],
)
def test_rows_that_are_nested_unlike_the_first_are_refused(
    read: Read, body: str, content_type: str
) -> None:
    with pytest.raises(BadRequest, match=r"row \d"):
        read(body, content_type)


def lists(values: list[Any], shortest: int) -> list[Any]:
    lengths = range(shortest, 3)
    return [list(each) for n in lengths for each in itertools.product(values, repeat=n)]


def rows() -> Iterator[list[Any]]:
    """Pairs of rows of two texts or missing values, of one to three lists."""
    values = ["12", None]
    each_row = lists([*values, *lists(values, 0)], 1)
    return map(list, itertools.product(each_row, repeat=2))


def shape(value: Any) -> tuple[int, ...] | None:
    """None if the lists in it have no common shape."""
    if not isinstance(value, list):
        return ()
    inside = {shape(each) for each in value}
    if len(inside) > 1:
        return None
    below = inside.pop() if inside else ()
    return None if below is None else (len(value), *below)


def numbers(value: Any) -> list[str]:
    if isinstance(value, list):
        return [number for each in value for number in numbers(each)]
    return [repr(float("nan" if value is None else value))]


@pytest.mark.parametrize("read", READERS)
def test_rows_are_read_if_they_have_one_shape_and_every_value_is_kept(read: Read) -> None:
    count = 0
    for body in rows():
        common = shape(body)
        lines = "\n".join(map(json.dumps, body))
        features = json.dumps({"instances": [{"features": row} for row in body]})
        for text, content_type in ((json.dumps(body), JSON), (lines, JSON_LINES), (features, JSON)):
            if common is None or 0 in common:
                with pytest.raises(BadRequest):
                    read(text, content_type)
                continue
            found = read(text, content_type)
            found = found if isinstance(found, list) else found.tolist()
            assert (shape(found), numbers(found)) == (common, numbers(body)), text
            count += 1
    # 2 rows of one value and 4 of two, or of these as lists within one list or two.
    pairs = sum(rows * rows for rows in (2, 4, 2, 4, 4, 16))
    assert count == 3 * pairs
