"""RecordIO-protobuf, the format of SageMaker's own algorithms -> the features of each record.

Reads what the SDK's `RecordSerializer` writes, so the image needs no protobuf: a `Record` has maps
of names to tensors, its features in field 1, and a tensor has values, their keys if it is sparse,
and its shape.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

from werkzeug.exceptions import BadRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

TYPE = "application/x-recordio-protobuf"

Value = Union[int, bytes]

_FRAME = struct.Struct("<II")
_MAGIC = 0xCED7230A
_ALIGNED = 4
# Kinds of fields in protobuf; the others have a size of their own.
_NUMBER, _SIZED = 0, 2
_SIZES = {1: 8, 5: 4}
# Fields of the messages Record, Entry (of a map), Value and Tensor.
_FEATURES = 1
_NAME, _TENSORS = 1, 2
_FLOATS = {2: "<f", 3: "<d"}
_INTEGERS = 7
_VALUES, _KEYS, _SHAPE = 1, 2, 3
_FEATURE = b"values"
_COLUMNS = 2**32 - 1


@dataclass(frozen=True)
class Features:
    """One record: all values, or the values at `keys` of a row of `width` columns."""

    values: list[float]
    keys: list[int]
    width: int

    @property
    def is_sparse(self) -> bool:
        return bool(self.keys) or not self.values

    @property
    def row(self) -> list[tuple[int, float]]:
        return list(zip(self.keys or range(len(self.values)), self.values))


def read(body: bytes) -> list[Features]:
    """Raises BadRequest if a record has no features called "values"."""
    found: list[Features] = []
    try:
        for record in _records(body):
            found.append(_features(record))  # noqa: PERF401 - the error says which record
    except ValueError as error:
        raise BadRequest(f"record {len(found) + 1}: {error}") from error
    if not found:
        raise BadRequest("no records in the body")
    return found


def _records(body: bytes) -> Iterator[bytes]:
    place = 0
    while place < len(body):
        magic, size = _FRAME.unpack(_cut(body, place, _FRAME.size))
        if magic != _MAGIC:
            raise ValueError("the body is not RecordIO")
        aligned = size + -size % _ALIGNED
        yield _cut(body, place + _FRAME.size, aligned)[:size]
        place += _FRAME.size + aligned


def _features(record: bytes) -> Features:
    for field, entry in _fields(record):
        if field == _FEATURES:
            parts = dict(_fields(_message(entry)))
            if parts.get(_NAME) == _FEATURE:
                return _tensor(_message(parts.get(_TENSORS, b"")))
    raise ValueError('it has no features called "values"')


def _tensor(value: bytes) -> Features:
    for kind, tensor in _fields(value):
        if kind in _FLOATS or kind == _INTEGERS:
            parts = list(_fields(_message(tensor)))
            keys, shape = _integers(parts, _KEYS), _integers(parts, _SHAPE)
            if kind == _INTEGERS:
                values = [float(_signed(each)) for each in _integers(parts, _VALUES)]
            else:
                values = _floats(parts, _FLOATS[kind])
            return _checked(Features(values, keys, max(shape[:1], default=0)))
    raise ValueError("its features are not numbers")


def _checked(features: Features) -> Features:
    if features.keys and len(features.keys) != len(features.values):
        raise ValueError(f"it has {len(features.keys)} keys for {len(features.values)} values")
    if features.width and max(features.keys, default=0) >= features.width:
        raise ValueError(f"it has a key beyond its {features.width} columns")
    if max((features.width, *features.keys)) >= _COLUMNS:
        raise ValueError("it has more columns than XGBoost can count")
    return features


def _floats(parts: list[tuple[int, Value]], kind: str) -> list[float]:
    # In one field, or each in its own: the bytes are the same.
    packed = b"".join(_message(value) for field, value in parts if field == _VALUES)
    if len(packed) % struct.calcsize(kind):
        raise ValueError("it is cut off")
    return [each for (each,) in struct.iter_unpack(kind, packed)]


def _integers(parts: list[tuple[int, Value]], wanted: int) -> list[int]:
    found: list[int] = []
    for field, value in parts:
        if field == wanted:
            found += [value] if isinstance(value, int) else _numbers(value)
    return found


def _signed(number: int) -> int:
    """An int32, which protobuf writes in 64 bits if it is negative."""
    return (number + 2**31) % 2**32 - 2**31


def _fields(message: bytes) -> Iterator[tuple[int, Value]]:
    place = 0
    while place < len(message):
        key, place = _number(message, place)
        field, kind = key >> 3, key & 7
        if kind == _NUMBER:
            number, place = _number(message, place)
            yield field, number
            continue
        if kind == _SIZED:
            size, place = _number(message, place)
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            raise ValueError("it is not a protobuf message")
        yield field, _cut(message, place, size)
        place += size


def _numbers(packed: bytes) -> Iterator[int]:
    place = 0
    while place < len(packed):
        number, place = _number(packed, place)
        yield number


def _number(message: bytes, place: int) -> tuple[int, int]:
    """A number in groups of 7 bits, the lowest first, and the place behind it."""
    number = 0
    for index, byte in enumerate(message[place : place + 10]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:  # noqa: PLR2004 - the last one
            return number, place + index + 1
    raise ValueError("it is cut off")


def _cut(message: bytes, place: int, size: int) -> bytes:
    part = message[place : place + size]
    if len(part) < size:
        raise ValueError("it is cut off")
    return part


def _message(value: Value) -> bytes:
    if isinstance(value, int):
        raise ValueError("it is not a protobuf message")  # noqa: TRY004 - of the client's making
    return value
