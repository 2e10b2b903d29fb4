"""Request bodies: every kind of value that CSV, JSON and npy can hold, in every layout.

Needs numpy alone, so that AWS's decoders can be asked the same in an environment of their own.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CSV, JSON, NPY = "text/csv", "application/json", "application/x-npy"

CELLS = (
    "1", "-2.5", "0", "1e3", "1E-7", "9007199254740993", "18446744073709551616", "0.1", "3.4028236e38",
    "nan", "inf", "-inf", "", " 4 ", "+5", "0x10", "1_000", "king", '"6"', '"a,b"', '"a""b"', "é☃", "True",
    "null", "1+2j", "2026-01-02", "#7", "-", ".", "1.", ".5",
    "007", '"007"', '"2\n3"', '"a\rb"', "2\r3", '"\ud800"',
)  # fmt: skip
CSV_LAYOUTS: dict[str, Callable[[str], str]] = {
    "alone": lambda x: x,
    "a line": lambda x: f"{x}\n",
    "a row": lambda x: f"8,{x},9",
    "a row of it": lambda x: f"{x},{x}",
    "a column": lambda x: f"8\n{x}\n9\n",
    "rows": lambda x: f"8,{x}\n9,10\n",
    "rows of a spreadsheet": lambda x: f"8,{x}\r\n9,10\r\n",
    "rows with a gap": lambda x: f"8,{x}\n\n9,10\n",
    "ragged rows": lambda x: f"8,{x}\n9\n",
    "below a header": lambda x: f"a,b\n8,{x}\n",
    "semicolons": lambda x: f"8;{x}\n9;10\n",
}
VALUES: tuple[Any, ...] = (
    1, -2.5, 0, 1e300, 1e-7, 2**53 + 1, 2**63, 2**70, float("nan"), float("inf"), None, True, False, "", "king",
    "6", "007", " 4 ", "nan", "2\n3", "\ud800", "é☃", [], {}, [2], {"a": 1},
)  # fmt: skip
JSON_LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "itself": lambda x: x,
    "a row": lambda x: [8, x],
    "a row of it": lambda x: [x],
    "rows": lambda x: [[8, x], [9, 10]],
    "a column": lambda x: [[8], [x]],
    "texts": lambda x: [["8", x], ["9", "10"]],
    "beside a text": lambda x: [["king", x], ["queen", x]],
    "ragged rows": lambda x: [[8, x], [9]],
    "deep": lambda x: [[[8, x], [9, 10]]],
    "instances": lambda x: {"instances": [[8, x]]},
}
DTYPES = ("?", "i1", "i8", "u8", "f2", "f4", "f8", ">f4", "c16", "U3", "S3", "M8[D]", "O")
SHAPES = ((), (0,), (1,), (3,), (1, 2), (2, 3), (0, 2), (2, 2, 2))
ODD = {
    "empty CSV": ("", CSV),
    "blank CSV": ("\n\n", CSV),
    "no JSON": ("[1,", JSON),
    "empty JSON": ("", JSON),
    "JSON of two": ("[1] [2]", JSON),
    "empty npy": (b"", NPY),
    "cut npy": (b"\x93NUMPY\x01\x00", NPY),
    "text as npy": (b"1,2", NPY),
}


def bodies() -> Iterator[tuple[str, Any, str]]:
    """A name, the body, its type."""
    for layout, lay in CSV_LAYOUTS.items():
        for cell in CELLS:
            yield f"CSV, {layout}: {cell}", lay(cell), CSV
    for layout, arrange in JSON_LAYOUTS.items():
        for value in VALUES:
            yield f"JSON, {layout}: {value!r}", json.dumps(arrange(value)), JSON
    for dtype in DTYPES:
        for shape in SHAPES:
            buffer = io.BytesIO()
            np.save(buffer, np.ones(shape).astype(dtype), allow_pickle=True)
            yield f"npy, {dtype}: {shape}", buffer.getvalue(), NPY
    for name, (body, media_type) in ODD.items():
        yield name, body, media_type
