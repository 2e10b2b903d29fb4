"""A value and its schema -> the typed value, and its problems in the words of TOML."""

from __future__ import annotations

import difflib
from collections import defaultdict
from contextlib import suppress
from datetime import date, time
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from buildkit.config.problems import Problem
from buildkit.config.requirements import OWN_KEY, TEXT
from buildkit.support.addresses import cut, hidden, quoted
from buildkit.support.suggest import ALIKE, LONGEST, SHORTEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from buildkit.config.toml import Where

KEY = "[key]"
"""Ends pydantic's path of a key; without it, the path is that of the key's value."""
UNKNOWN = "unknown key"
RULES = frozenset({"exclude", "include", "when"})
"""Keys of rules about cells."""
OF_OTHERS = {
    "file": "dockerfile",
    "build": "dockerfile",
    "stage": "target",
    "build-args": "args",
    "build_args": "args",
}
"""Keys of Docker Compose, of bake and of others -> ours."""
ABSENT = object()
"""Stands for a value that is left out."""
EXPECTED = {
    "bool_type": "`true` or `false`",
    "bool_parsing": "`true` or `false`",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "model_type": "a table `{{ … }}`",
    "dict_type": "a table `{{ … }}`",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
    "string_too_long": "{max_length} characters at most",
}
"""What is wanted, by pydantic's kinds of error and with the values of their context."""


def validated(
    annotation: Any,
    value: object,
    at: Where,
    problems: list[Problem],
    named: Mapping[str, BaseModel] = MappingProxyType({}),
) -> Any:
    """The typed value without its wrong parts, or None if nothing valid is left.

    A value without its wrong parts serves to find further problems, never to build. `named` are the
    samples that the value may use.
    """
    try:
        return _adapter(annotation).validate_python(value, context=named)
    except ValidationError as error:
        wrong = [*_causes(error)]
    # Short forms are validated for each device: the same problem counts once.
    found = {_problem(annotation, details, value, at): details["type"] for details in wrong}
    meant = {problem.meant for problem in found}
    problems += (
        problem
        for problem, kind in found.items()
        if not (kind == "missing" and problem.path in meant)
    )
    if not isinstance(value, dict):
        return None
    left = _without(value, _places(value, wrong))
    return None if left is ABSENT else _rest(annotation, left, named)


def _rest(annotation: Any, value: dict[str, Any], named: Mapping[str, BaseModel]) -> Any:
    """The typed value, without the keys that are wrong as a whole; None if that is not enough."""
    try:
        return _adapter(annotation).validate_python(value, context=named)
    except ValidationError as error:
        names = {details["loc"][0] for details in _causes(error) if details["loc"]}
    rest = {key: value for key, value in value.items() if key not in names}
    with suppress(ValidationError):
        return _adapter(annotation).validate_python(rest, context=named)
    return None


def _places(value: dict[str, Any], wrong: Iterable[Any]) -> Iterator[Where]:
    """What has to be left out of a table: whole rules, since a part of one is another rule."""
    for details in wrong:
        path = tuple(_keys_of(value, _loc(details)))
        yield path[:1] if RULES & {*path} else path


def _without(value: Any, places: Iterable[Where]) -> Any:
    """A copy of a value without what is at these places; ABSENT if nothing can be kept."""
    below = defaultdict(list)
    for place in places:
        if not place:
            return ABSENT
        below[place[0]].append(place[1:])
    if isinstance(value, dict):
        kept = {key: _without(each, below.get(key, ())) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each is not ABSENT}
    if not isinstance(value, list):
        return value
    left = [_without(each, below.get(number, ())) for number, each in enumerate(value)]
    if any(isinstance(each, dict) for each in value) and any(each is ABSENT for each in left):
        return ABSENT  # the tables behind it would get other numbers
    return [each for each in left if each is not ABSENT]


@cache
def _adapter(annotation: Any) -> TypeAdapter[object]:
    return TypeAdapter(annotation)


def _causes(error: ValidationError) -> Iterator[Any]:
    """The errors of pydantic, without those that follow from others."""
    every = error.errors(include_url=False)
    keys = [each["loc"][:-1] for each in every if each["loc"][-1:] == (KEY,)]
    for each in every:
        loc = each["loc"]
        # A list whose values are all wrong is not also too short.
        emptied = each["type"] == "too_short" and each["input"]
        below = loc[-1:] != (KEY,) and any(
            len(loc) > len(key) and loc[: len(key)] == key for key in keys
        )
        if not emptied and not below:
            yield each


def _problem(annotation: Any, details: Any, value: object, at: Where) -> Problem:
    path = (*at, *_keys_of(value, _loc(details)))
    if details["type"] == "extra_forbidden":
        return unknown_key(path, _keys(annotation, details["loc"][:-1]))
    return Problem(path=path, message=_sentence(annotation, details))


def _loc(details: Any) -> Where:
    return tuple(key for key in details["loc"] if key != KEY)


def _keys_of(value: Any, loc: tuple[str | int, ...]) -> Iterator[str | int]:
    """The keys on the way to a value, as far as the file has them: the schema knows short forms."""
    for number, key in enumerate(loc, 1):
        inside = isinstance(key, int) if isinstance(value, list) else (
            isinstance(value, dict) and (key in value or number == len(loc))
        )  # fmt: skip
        if inside:
            yield key
            value = value.get(key) if isinstance(value, dict) else value[key]


def unknown_key(path: Where, known: Sequence[str]) -> Problem:
    """The problem of an unknown key, with a similar one or else the list of known ones."""
    if near := _similar(str(path[-1]), known):
        message = f"{UNKNOWN}; did you mean `{near}`?"
        return Problem(path=path, message=message, meant=(*path[:-1], near))
    listed = ", ".join(f"`{name}`" for name in known)
    return Problem(path=path, message=UNKNOWN, known=f"known keys: {listed}")


def _similar(key: str, known: Sequence[str]) -> str:
    """The known key that an unknown one probably stands for, else ""."""
    if (meant := OF_OTHERS.get(key, "")) in known:
        return meant
    near = difflib.get_close_matches(key[:LONGEST], known, n=1, cutoff=ALIKE)
    near = near or [name for name in known if len(key) >= SHORTEST and name.startswith(key)]
    return near[0] if near else ""


def _sentence(model: Any, error: Any) -> str:  # noqa: PLR0911 - one per kind
    """What is wrong with a value of type `model`; `error` is one of pydantic's."""
    value = error["input"]
    match error["type"]:
        case "missing":
            return "required key is missing"
        case "enum" | "literal_error":
            return _none_of(value, str(error["ctx"]["expected"]))
        case "value_error":
            return str(error["ctx"]["error"])
        case "string_type":
            advice = "" if isinstance(value, (list, dict)) else "; put it in quotes"
            return f"expected a string, found {written(value)}{advice}"
        case "tuple_type" | "list_type":
            return _no_list(model, error["loc"], value)
        case "int_parsing_size":
            return "the number is too large"
        case "too_short" if not isinstance(value, str):
            return "expected at least one value"
        case "too_short" | "string_too_short":
            return f"the {'name' if error['loc'][-1:] == (KEY,) else 'value'} is empty"
        case kind if kind in EXPECTED:
            expected = EXPECTED[kind].format(**error.get("ctx", {}))
            return f"expected {expected}, found {written(value)}"
        case _:
            return f"{written(value)} is not allowed here"


def written(value: object) -> str:
    """A value as TOML writes it, shortened, without what may be secret."""
    match value:
        case bool():
            return str(value).lower()
        case date() | time():
            return value.isoformat()
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            try:
                text = quoted(value) if isinstance(value, str) else hidden(repr(value))
            except ValueError:  # Python does not print whole numbers of over 4,300 digits
                return "a number of thousands of digits"
            return cut(text, LONGEST)


def _no_list(model: Any, loc: Where, value: object) -> str:
    """The message for a value that should be a list: a list with the value in it, or tables."""
    key = str(loc[-1]) if loc else ""
    if isinstance(value, str) and key == "packages" and value.endswith(TEXT):
        return OWN_KEY.format(value.removeprefix("-r").removeprefix("--requirement").strip(" ="))
    if _table(model, loc):
        return f"expected a list of tables `[[…{key}]]`, found {written(value)}"
    if isinstance(value, (bool, list, dict)):
        return f"expected a list, found {written(value)}"
    text = written(value) if isinstance(value, str) else f"'{written(value)}'"
    return f'expected a list: `["{text[1:-1]}"]`'


def _none_of(value: object, expected: str) -> str:
    """The message for a value that is none of those that pydantic lists, texts in quotes."""
    if isinstance(value, str) and "'" not in expected:  # the quotes make the difference
        end = "; remove the quotes" if value == expected else ""
        return f"{written(value)} is not {expected}{end}"
    one = "one of " if " or " in expected or "," in expected else ""
    return f"{written(value)} is not {one}{expected}".replace("'", "`")


def _keys(annotation: Any, path: Where) -> list[str]:
    """The keys that the table at `path` below a type may have."""
    table = _table(annotation, path)
    fields = table.model_fields if table else {}
    return [field.alias or name for name, field in fields.items()]


def _table(annotation: Any, path: Where) -> type[BaseModel] | None:
    """The schema of the table at `path` below a type; skips names that only pydantic knows."""
    for key in path:
        name = str(key).replace("-", "_")
        for model in _models(annotation):
            if field := model.model_fields.get(name):
                annotation = field.annotation
                break
    return next(_models(annotation), None)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
