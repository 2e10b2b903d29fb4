"""What a `predict_fn` may return: every kind of value, in every kind of container.

Needs numpy alone, so that AWS's encoders can be asked the same in an environment of their own.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def nested(depth: int) -> Any:
    found: Any = 1
    for _ in range(depth):
        found = [found]
    return found


class Level(IntEnum):
    LOW = 1


class Colour(str, Enum):
    RED = "red"


VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "zero": 0,
    "negative": -7,
    "beyond doubles": 2**53 + 1,
    "beyond int64": 2**63,
    "beyond uint64": 2**70,
    "a float": 0.91,
    "a whole float": 3.0,
    "minus zero": -0.0,
    "large": 1e22,
    "small": 1e-7,
    "nan": float("nan"),
    "infinity": float("-inf"),
    "no text": "",
    "a text": "king",
    "a number as text": "0.91",
    "unicode": "é☃𝄞",
    "a comma": "a,b",
    "a quote": 'a"b',
    "two lines": "a\nb",
    "a return": "a\rb",
    "half a character": "\ud800",
    "bytes": b"a",
    "no bytes": b"",
    "a complex": 1j,
    "a decimal": Decimal("1.5"),
    "a set": {1},
    "a date": date(2026, 1, 2),
    "an exception": ValueError("x"),
    "an enum of numbers": Level.LOW,
    "an enum of texts": Colour.RED,
    "float64": np.float64(0.91),
    "float32": np.float32(0.91),
    "float16": np.float16(0.5),
    "complex64": np.complex64(0.1 + 0.2j),
    "complex128": np.complex128(0.1 + 0.2j),
    "int64": np.int64(-3),
    "int8": np.int8(3),
    "uint64": np.uint64(2**64 - 1),
    "bool_": np.bool_(True),  # noqa: FBT003 - a value
    "str_": np.str_("king"),
    "bytes_": np.bytes_(b"a"),
    "datetime64": np.datetime64("2026-01-02"),
    "datetime64 of seconds": np.datetime64("2026-01-02T03:04:05"),
    "datetime64 of nanoseconds": np.datetime64("2026-01-02T03:04:05.000000007"),
    "timedelta64": np.timedelta64(1, "D"),
    "void": np.void(b"ab"),
    "0-d": np.array(2.5),
    "0-d of text": np.array("king"),
}

CONTAINERS: dict[str, Callable[[Any], Any]] = {
    "itself": lambda x: x,
    "list": lambda x: [x],
    "list of two": lambda x: [x, x],
    "tuple": lambda x: (x, x),
    "pair with a label": lambda x: [("king", x), ("queen", x)],
    "beside a float": lambda x: [x, 0.5],
    "beside a number as text": lambda x: [["0.91", x]],
    "beside null": lambda x: [None, x],
    "rows": lambda x: [[x, x], [x, x]],
    "ragged": lambda x: [[x], [x, x]],
    "deep": lambda x: [[[x], [x]]],
    "object": lambda x: {"p": x},
    "object of a list": lambda x: {"p": [x, x]},
    "objects": lambda x: [{"p": x}, {"p": x}],
    "object by number": lambda x: {1: x, None: x},
    "1-d": lambda x: np.array([x, x]),
    "2-d": lambda x: np.array([[x, x], [x, x]]),
    "3-d": lambda x: np.array([[[x, x]]]),
    "1-d of objects": lambda x: np.array([x, "a"], dtype=object),
    "object of an array": lambda x: {"p": np.array([x, x])},
    "arrays": lambda x: [np.array([x]), np.array([x])],
    "arrays, ragged": lambda x: [np.array([x]), np.array([x, x])],
}

# Those that are the same whatever they hold.
OTHERS: dict[str, Any] = {
    "empty list": [],
    "empty tuple": (),
    "empty object": {},
    "list of an empty list": [[]],
    "empty array": np.zeros((0,)),
    "array of empty rows": np.zeros((2, 0)),
    "object of an empty list": {"p": []},
    "object by a number of numpy": {np.int64(1): 2},
    "masked": np.ma.array([1, 2], mask=[False, True]),
    "masked floats": np.ma.array([[0.5, 0.91]], mask=[[False, True]]),
    "masked rows": [
        np.ma.array([1, 2], mask=[False, True]),
        np.ma.array([3, 4], mask=[True, False]),
    ],
    "a masked value": [np.ma.masked, 0.5],
    "nothing masked": np.ma.array([1, 2], mask=[False, False]),
    "structured": np.array([(1, 0.5), (2, 0.25)], dtype=[("a", "i4"), ("b", "f8")]),
    "too deep for numpy": nested(100),
}


def predictions() -> Iterator[tuple[str, Any]]:
    for container, wrap in CONTAINERS.items():
        for name, value in VALUES.items():
            yield f"{container}: {name}", wrap(value)
    yield from OTHERS.items()
