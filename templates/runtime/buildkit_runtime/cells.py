"""CSV text -> rows of cells."""

from __future__ import annotations

import csv
import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _csv import Reader


def reader(text: str, delimiter: str = ",", *, strict: bool = False) -> Reader:
    """Like `csv.reader`, but a cell may be as long as the text.

    The limit of the csv module, 131072 characters, holds for the whole process. It is only raised,
    always to the same number, so that threads do not disturb each other.
    """
    if csv.field_size_limit() < len(text):
        csv.field_size_limit(sys.maxsize)
    return csv.reader(io.StringIO(text), delimiter=delimiter, strict=strict)
