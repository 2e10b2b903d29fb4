"""LIBSVM text -> the columns and values of each row, without its label."""

from __future__ import annotations

import re

from werkzeug.exceptions import BadRequest

Row = list[tuple[int, float]]

# As in XGBoost's own reader. Other characters that Unicode calls an end of a line are none here.
_LINE_END = re.compile(r"\r\n|\n|\r")
_BLANKS = " \t"
_BETWEEN = re.compile(f"[{_BLANKS}]+")


def read(text: str) -> list[Row]:
    """Raises BadRequest if a line is not LIBSVM, or if there is none."""
    rows = [
        _row(stripped, number)
        for number, line in enumerate(_LINE_END.split(text), start=1)
        if (stripped := line.strip(_BLANKS))
    ]
    if not rows:
        raise BadRequest("no rows in the body")
    return rows


def _row(line: str, number: int) -> Row:
    label, *rest = _BETWEEN.split(line)
    try:
        if ":" in label:
            rest = [label, *rest]
        else:
            float(label)
        return [(int(column), float(value)) for column, value in (each.split(":") for each in rest)]
    except ValueError as error:
        raise BadRequest(f"line {number} is not LIBSVM text: {error}") from error
