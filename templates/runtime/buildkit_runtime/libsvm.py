"""LIBSVM text -> the columns and values of each row, without its label."""

from __future__ import annotations

import re

from werkzeug.exceptions import BadRequest

from buildkit_runtime.numerals import real, whole

Row = list[tuple[int, float]]

# As in XGBoost's own reader. Other characters that Unicode calls an end of a line are none here.
_LINE_END = re.compile(r"\r\n|\n|\r")
_BLANKS = " \t"
_BETWEEN = re.compile(f"[{_BLANKS}]+")
_COMMENT = "#"
# The query of a row, for ranking: `qid:3` before the features.
_QUERY = "qid:"
# XGBoost counts columns in 32 bits.
_COLUMNS = 2**32 - 1


def read(text: str) -> list[Row]:
    """Raises BadRequest if a line is not LIBSVM, or if there is none."""
    rows = [
        _row(stripped, number)
        for number, line in enumerate(_LINE_END.split(text), start=1)
        if (stripped := line.partition(_COMMENT)[0].strip(_BLANKS))
    ]
    if not rows:
        raise BadRequest("no rows in the body")
    return rows


def _row(line: str, number: int) -> Row:
    found = _BETWEEN.split(line)
    try:
        if ":" not in found[0]:
            real(found.pop(0))
        if found and found[0].startswith(_QUERY):
            whole(found.pop(0).removeprefix(_QUERY))
        return [_feature(each) for each in found]
    except ValueError as error:
        raise BadRequest(f"line {number} is not LIBSVM text: {error}") from error


def _feature(text: str) -> tuple[int, float]:
    before, value = text.split(":")
    column = whole(before)
    if not 0 <= column < _COLUMNS:
        raise ValueError(f"there is no column {column}")
    return column, real(value)
