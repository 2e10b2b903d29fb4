"""JSON -> frozen dataclasses. Every value must have the type of its field.

This is for records that are read by the thousand, and for commands that cannot afford to load
pydantic.
"""

from __future__ import annotations

import json
import re
import reprlib
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    NamedTuple,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from buildkit.support import addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Reader = Callable[[Any], Any]

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


class Form(NamedTuple):
    """The form that all of a text must have, as in `Annotated[str, Form(…)]`.

    `otherwise` is what a message says of another text, such as `is not a tag`.
    """

    pattern: re.Pattern[str]
    otherwise: str


Word = Annotated[str, Form(re.compile("[!-~]+"), "contains whitespace or control characters")]
"""A text that is printed, or used in URLs."""


def key(name: str) -> dict[str, str]:
    """The metadata of a field whose JSON key is not a Python name."""
    return {KEY: name}


def shown(value: object) -> str:
    """A value for an error message, shortened, without a password."""
    return addresses.without_user(_SHORT.repr(value))


def parsed(text: str) -> object:
    """JSON as Python objects. Raises ValueError, also for a key that occurs twice; RecursionError.

    An integer with thousands of digits becomes infinity, as `1e999` does: `read` refuses both, and
    names the field.
    """
    return _JSON.decode(text)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Of two values under one key, programs differ in which they take."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key in found if sum(key == each for each, _ in pairs) > 1)
        raise ValueError(f"the key {shown(twice)} occurs twice in one object")
    return found


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)


_JSON = json.JSONDecoder(parse_int=_whole, object_pairs_hook=_object)


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
def _reader(kind: Any) -> Reader:
    origin, of = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _of_text(of[1]) if isinstance(of[1], Form) else _of_checked(_reader(of[0]), of[1])
    if origin is dict:
        return _of_map(_reader(of[1]))
    if origin is tuple:
        every = of[1:] == (...,)
        return _of_list(_reader(of[0])) if every else _of_row([_reader(each) for each in of])
    if origin in (UnionType, Union):
        (other,) = set(of) - {NoneType}
        known = _reader(other)
        return lambda value: None if value is None else known(value)
    return _of_class(kind)


def _of_class(kind: Any) -> Reader:
    if is_dataclass(kind):
        return _of_object(kind)
    return _of_enum(kind) if issubclass(kind, Enum) else _of_plain(kind)


def _of_text(form: Form) -> Reader:
    matches = form.pattern.fullmatch

    def read_text(value: object) -> object:
        if type(value) is not str:
            raise _is_not(value, "text")
        if not matches(value):
            raise ValueError(f": {shown(value)} {form.otherwise}")
        return value

    return read_text


def _of_checked(reader: Reader, check: Reader) -> Reader:
    def read_checked(value: object) -> object:
        found = reader(value)
        try:
            return check(found)
        except ValueError as error:
            raise ValueError(f": {error}") from None

    return read_checked


def _is_not(value: object, called: str) -> ValueError:
    return ValueError(f": {shown(value)} is not {called}")


def _of_plain(kind: Any) -> Reader:
    """A single value; `object` accepts any."""
    if kind is object:
        return lambda value: value
    types, called = PLAIN[kind]

    def plain(value: Any) -> object:
        # Not isinstance: `true` would be a number. `NaN` is not in the range, as it is in none.
        if type(value) not in types or (kind in (int, float) and not 0 <= value <= LARGEST):
            raise _is_not(value, called)
        return value

    return plain


def _of_object(kind: Any) -> Reader:
    hints = get_type_hints(kind, include_extras=True)
    plan = [
        (
            each.name,
            each.metadata.get(KEY, each.name),
            _reader(hints[each.name]),
            each.default is each.default_factory is MISSING,
        )
        for each in fields(kind)
    ]

    def read_object(value: Any) -> object:
        if not isinstance(value, dict):
            raise _is_not(value, "an object")
        found, key = {}, ""
        try:
            for name, key, reader, required in plan:
                if key in value:
                    found[name] = reader(value[key])
                elif required:
                    raise ValueError(" is missing")  # noqa: TRY301 - it gets its place, too
        except ValueError as error:
            raise ValueError(f".{key}{error}") from None
        return kind(**found)

    return read_object


def _of_list(reader: Reader) -> Reader:
    def read_list(value: Any) -> object:
        if not isinstance(value, list):
            raise _is_not(value, "a list")
        found: list[object] = []
        try:
            found.extend(map(reader, value))
        except ValueError as error:
            raise ValueError(f"[{len(found)}]{error}") from None
        return tuple(found)

    return read_list


def _of_map(reader: Reader) -> Reader:
    """An object with arbitrary keys, such as labels."""

    def read_map(value: Any) -> object:
        if not isinstance(value, dict):
            raise _is_not(value, "an object")
        found, key = {}, ""
        try:
            for key, each in value.items():
                found[key] = reader(each)
        except ValueError as error:
            raise ValueError(f"[{shown(key)}]{error}") from None
        return found

    return read_map


def _of_row(readers: Sequence[Reader]) -> Reader:
    """A list of a fixed length, such as a pair."""

    def read_row(value: object) -> object:
        if not isinstance(value, list) or len(value) != len(readers):
            raise _is_not(value, f"a list of {len(readers)}")
        return tuple(reader(each) for reader, each in zip(readers, value, strict=True))

    return read_row


def _of_enum(kind: Any) -> Reader:
    by_value = {each.value: each for each in kind}

    def read_enum(value: object) -> object:
        if not isinstance(value, str) or value not in by_value:
            raise ValueError(f": {shown(value)} is none of {', '.join(by_value)}")
        return by_value[value]

    return read_enum
