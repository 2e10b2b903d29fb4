"""LIBSVM for XGBoost: what ends a line, what stands between values, what is a number."""

from __future__ import annotations

import pytest
from buildkit_runtime import libsvm
from werkzeug.exceptions import BadRequest


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n", " \n\t"])
def test_lines_of_libsvm(end: str) -> None:
    expected = [[(1, 0.5), (3, 2.0)], [(2, -1.0)], []]
    assert libsvm.read(f"0 1:0.5\t3:2{end}2:-1{end}1{end}") == expected


@pytest.mark.parametrize("between", ["\x0b", "\x0c", "\x1c", "\x1e", "\x85", "\xa0", "\u2028"])
def test_other_characters_neither_end_a_line_of_libsvm_nor_stand_between_values(
    between: str,
) -> None:
    """`1:2` and `1:3` would become one row, in which the first feature is 5."""
    with pytest.raises(BadRequest, match="line 1 is not LIBSVM text"):
        libsvm.read(f"1:2{between}1:3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("\n \n", "no rows", id="blank"),
        pytest.param("1 1:2\nking 1:2", "line 2 is not LIBSVM text", id="a label"),
        pytest.param("1 1:2:3", "line 1 is not LIBSVM text", id="two values"),
        pytest.param("1 1_0:2", "'1_0' is not a whole number", id="a column of Python"),
        pytest.param("1 1:2_0", "'2_0' is not a number", id="a value of Python"),
        pytest.param("1_0 1:2", "'1_0' is not a number", id="a label of Python"),
        pytest.param("1 qid:1_0 1:2", "'1_0' is not a whole number", id="a query of Python"),
        pytest.param("1 \u0661:2", "is not a whole number", id="a digit of another script"),
        pytest.param("1 1:\u0662", "is not a number", id="a value of another script"),
        pytest.param("1 1.0:2", "'1.0' is not a whole number", id="a fraction as a column"),
    ],
)
def test_text_that_is_not_libsvm(text: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        libsvm.read(text)
