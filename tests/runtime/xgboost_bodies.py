"""Request bodies for XGBoost: CSV with every delimiter, LIBSVM, RecordIO-protobuf.

Needs nothing but Python, so that AWS's decoders can be asked the same in an environment of their
own.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from tests.runtime.bodies import CELLS, CSV, CSV_LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LIBSVM, RECORDIO = "text/libsvm", "application/x-recordio-protobuf"

DELIMITERS = (" ", "|", ":", ";", "\t", "/")
DELIMITED: dict[str, Callable[[str, str], str]] = {
    "a row": lambda x, d: f"8{d}{x}{d}9",
    "rows": lambda x, d: f"8{d}{x}\n9{d}10",
    "rows that end": lambda x, d: f"8{d}{x}\n9{d}10\n",
    "rows of a spreadsheet": lambda x, d: f"8{d}{x}\r\n9{d}10\r\n",
    "blanks around": lambda x, d: f"8 {d} {x}",
    "a row that ends with it": lambda x, d: f"8{d}{x}{d}",
}
LIBSVM_LINES = (
    "1 1:2 3:4", "1 0:2 1:3", "1:2 3:4", "1 2:1 1:3", "1 1:2 1:3", "+1 1:1e2", "-1.5 1:-2", "1  1:2   3:4",
    "1\t1:2\t3:4", " 1 1:2 ", "1 qid:3 1:2 3:4", "1 qid:3", "qid:3 1:2", "1 qid:x 1:2", "1 1:2 qid:3", "1 1:2 # a",
    "1 1:2 #a 5:6", "1 1:2#a", "# a", "1 # 1:2", "1", "1:nan", "1 1:nan", "1 1:inf", "1 1:1e300", "1 3 5", "1 3:1 5",
    "1 -1:2", "1 4294967295:2", "1 1:2:3", "1 1:", "1 a:2", "1 1:x", "1 1.5:2", "1 1,2", "king 1:2", "1:0.5 1:2",
    "1 01:2", "1 1:0x10", "1 1:2,3:4", "1 1 : 2", "1 1:2\x0b3:4", "1 1:0", "1 2:7 4:0.5",
)  # fmt: skip
LIBSVM_LAYOUTS: dict[str, Callable[[str], str]] = {
    "a line": lambda x: x,
    "a line that ends": lambda x: f"{x}\n",
    "lines": lambda x: f"{x}\n0 1:8 2:9\n",
    "lines of Windows": lambda x: f"{x}\r\n0 1:8 2:9\r\n",
    "lines from 0": lambda x: f"0 0:8 2:9\n{x}\n",
    "lines with a gap": lambda x: f"0 1:8\n\n{x}\n",
    "below a comment": lambda x: f"# a\n{x}\n",
}
ROWS: dict[str, tuple[Any, ...]] = {
    "one": ([1.5, -2.5, 3.0],),
    "two": ([1.0, 2.0], [3.0, 4.0]),
    "ragged": ([1.0, 2.0], [3.0]),
    "nan": ([1.0, float("nan")],),
    "infinity": ([1.0, float("inf")],),
    "nothing": ([],),
}
SPARSE: dict[str, tuple[tuple[list[float], list[int], list[int]], ...]] = {
    "one": (([1.0, -2.0], [0, 3], [5]),),
    "two": (([1.0], [2], [4]), ([2.0, 3.0], [0, 3], [4])),
    "without a shape": (([1.0, 2.0], [0, 3], []),),
    "of different widths": (([1.0], [2], [4]), ([2.0], [0], [6])),
    "an empty row": (([1.0], [2], [4]), ([], [], [4])),
    "only an empty row": (([], [], [4]),),
    "beside a dense one": (([1.0], [2], [3]), ([1.0, 2.0, 3.0], [], [3])),
    "beyond the shape": (([1.0], [5], [4]),),
    "too many keys": (([1.0], [0, 1], [4]),),
    "the last column": (([1.0], [300], [301]),),
}
KINDS = {"float32": 2, "float64": 3, "int32": 7}
MAGIC = 0xCED7230A


def number(value: int) -> bytes:
    """A number as protobuf writes it."""
    found = b""
    value %= 2**64
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def field(key: int, content: bytes) -> bytes:
    return number(key << 3 | 2) + number(len(content)) + content


def integers(key: int, values: Iterable[int]) -> bytes:
    packed = b"".join(map(number, values))
    return field(key, packed) if packed else b""


def tensor(kind: str, values: list[float], keys: list[int], shape: list[int]) -> bytes:
    if kind == "int32":
        found = integers(1, [int(each) for each in values])
    else:
        letter = "f" if kind == "float32" else "d"
        packed = struct.pack(f"<{len(values)}{letter}", *values)
        found = field(1, packed) if packed else b""
    return field(KINDS[kind], found + integers(2, keys) + integers(3, shape))


def record(value: bytes, name: bytes = b"values", label: bytes = b"") -> bytes:
    entry = field(1, field(1, name) + field(2, value))
    return entry + (field(2, field(1, b"values") + field(2, label)) if label else b"")


def framed(*records: bytes) -> bytes:
    frames = [(struct.pack("<II", MAGIC, len(each)), each) for each in records]
    return b"".join(head + each + bytes(-len(each) % 4) for head, each in frames)


def recordio_bodies() -> Iterator[tuple[str, bytes]]:
    label = tensor("float32", [1.0], [], [1])
    for kind in KINDS:
        for name, rows in ROWS.items():
            if kind == "int32" and name in ("nan", "infinity"):
                continue
            values = [tensor(kind, row, [], [len(row)]) for row in rows]
            yield f"{kind}, {name}", framed(*map(record, values))
            yield f"{kind}, {name}, labels", framed(*(record(each, label=label) for each in values))
        for name, sparse in SPARSE.items():
            yield f"{kind}, sparse, {name}", framed(*(record(tensor(kind, *row)) for row in sparse))
    good = framed(record(tensor("float32", [1.0, 2.0], [], [2])))
    yield "another name", framed(record(tensor("float32", [1.0], [], []), name=b"other"))
    yield "one of another name", good + framed(record(label, name=b"other"))
    yield "bytes", framed(record(field(9, field(1, b"ab"))))
    yield "a label alone", framed(field(2, field(1, b"values") + field(2, label)))
    yield "nothing", b""
    yield "text", b"1,2,3,4,5"
    yield "cut", good[:-4]
    yield "a rest", good + b"\0\0\0"
    yield "another magic", b"\0" + good[1:]
    yield "a group", framed(b"\x0b\x0c")


def xgboost_bodies() -> Iterator[tuple[str, Any, str]]:
    """A name, the body, its type."""
    for layout, lay in CSV_LAYOUTS.items():
        for cell in CELLS:
            yield f"CSV, {layout}: {cell}", lay(cell), CSV
    for shape, separate in DELIMITED.items():
        for delimiter in DELIMITERS:
            for cell in CELLS:
                yield f"CSV, {shape} by {delimiter!r}: {cell}", separate(cell, delimiter), CSV
    for layout, lay in LIBSVM_LAYOUTS.items():
        for line in LIBSVM_LINES:
            yield f"LIBSVM, {layout}: {line}", lay(line), LIBSVM
    for name, body in recordio_bodies():
        yield f"RecordIO: {name}", body, RECORDIO
