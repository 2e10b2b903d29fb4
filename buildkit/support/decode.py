"""JSON -> frozen dataclasses. Every value must have the type of its field.

This is for records that are read by the thousand, and for commands that cannot afford to load
pydantic.
"""

from __future__ import annotations

import json
import reprlib
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Value = TypeVar("Value")
PLAIN = {
    str: ((str,), "text"),
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number from 0 to 2^62"),
    float: ((float, int), "a number from 0 to 2^62"),
    NoneType: ((NoneType,), "null"),
}
LARGEST = 1 << 62
"""All numbers are sizes, times or counts; registries hold sizes in signed 64-bit numbers."""
MOST_DIGITS = 4000
"""Python converts no integer with more than 4300 digits."""
KEY = "key"
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80


def key(name: str) -> dict[str, str]:
    """The metadata of a field whose JSON key is not a Python name."""
    return {KEY: name}


def shown(value: object) -> str:
    """A value for an error message, shortened."""
    return _SHORT.repr(value)


def parsed(text: str) -> object:
    """JSON as Python objects. Raises ValueError, RecursionError.

    An integer with thousands of digits becomes infinity, as `1e999` does: `read` refuses both, and
    names the field.
    """
    return json.loads(text, parse_int=_whole)


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)


def read(kind: type[Value], document: object) -> Value:
    """Read a document. Unknown keys are ignored, because a newer tool may have added them.

    Raises ValueError that names the value, as in `images[0].verdict.passed: "two" is not …`.
    """
    try:
        value = _reader(cast("Any", kind))(document)
    except ValueError as error:
        raise ValueError(str(error).lstrip(".: ")) from None
    return cast("Value", value)


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    if is_dataclass(kind):
        return _of_object(kind)
    if get_origin(kind) is dict:
        return _of_map(_reader(get_args(kind)[1]))
    if get_origin(kind) is tuple:
        first, *rest = get_args(kind)
        if rest == [...]:
            return _of_list(_reader(first))
        return _of_row([_reader(each) for each in (first, *rest)])
    if isinstance(kind, UnionType):
        (other,) = set(get_args(kind)) - {NoneType}
        inner = _reader(other)
        return lambda value: None if value is None else inner(value)
    return _of_enum(kind) if issubclass(kind, Enum) else _of_plain(kind)


def _of_plain(kind: Any) -> Callable[[Any], Any]:
    """A single value; `object` accepts any."""
    if kind is object:
        return lambda value: value
    types, called = PLAIN[kind]

    def plain(value: Any) -> object:
        # Not isinstance: `true` would be a number. `NaN` is not in the range, as it is in none.
        if type(value) not in types or (kind in (int, float) and not 0 <= value <= LARGEST):
            raise ValueError(f": {shown(value)} is not {called}")
        return value

    return plain


def _of_object(kind: Any) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)
    plan = [
        (
            each.name,
            each.metadata.get(KEY, each.name),
            _reader(hints[each.name]),
            each.default is each.default_factory is MISSING,
        )
        for each in fields(kind)
    ]

    def read_object(value: object) -> object:
        if not isinstance(value, dict):
            raise ValueError(f": {shown(value)} is not an object")  # noqa: TRY004 - of a document
        found = {}
        for name, key, reader, required in plan:
            if key in value:
                try:
                    found[name] = reader(value[key])
                except ValueError as error:
                    raise ValueError(f".{key}{error}") from None
            elif required:
                raise ValueError(f".{key} is missing")
        return kind(**found)

    return read_object


def _of_list(reader: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read_list(value: object) -> object:
        if not isinstance(value, list):
            raise ValueError(f": {shown(value)} is not a list")  # noqa: TRY004 - of a document
        found = []
        for number, each in enumerate(value):
            try:
                found.append(reader(each))
            except ValueError as error:
                raise ValueError(f"[{number}]{error}") from None
        return tuple(found)

    return read_list


def _of_map(reader: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """An object with arbitrary keys, such as labels."""

    def read_map(value: object) -> object:
        if not isinstance(value, dict):
            raise ValueError(f": {shown(value)} is not an object")  # noqa: TRY004 - of a document
        found = {}
        for key, each in value.items():
            try:
                found[key] = reader(each)
            except ValueError as error:
                raise ValueError(f"[{shown(key)}]{error}") from None
        return found

    return read_map


def _of_row(readers: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """A list of a fixed length, such as a pair."""

    def read_row(value: object) -> object:
        if not isinstance(value, list) or len(value) != len(readers):
            raise ValueError(f": {shown(value)} is not a list of {len(readers)}")
        return tuple(reader(each) for reader, each in zip(readers, value, strict=True))

    return read_row


def _of_enum(kind: Any) -> Callable[[Any], Any]:
    by_value = {each.value: each for each in kind}

    def read_enum(value: object) -> object:
        if not isinstance(value, str) or value not in by_value:
            raise ValueError(f": {shown(value)} is none of {', '.join(by_value)}")
        return by_value[value]

    return read_enum
