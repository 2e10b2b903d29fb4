"""Validation errors of pydantic -> messages in the words of TOML."""

from __future__ import annotations

import difflib
from datetime import date, time
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from buildkit.config.requirements import OWN_KEY, TEXT
from buildkit.support.addresses import cut, hidden, quoted
from buildkit.support.suggest import LONGEST, SHORTEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ALIKE = 0.65
"""How similar a suggested key has to be (difflib): `dockerfile` is not meant as `override`."""
KEY = "[key]"
"""Ends pydantic's path of a key; without it, the path is that of the key's value."""
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


def sentence(model: Any, error: Any) -> str:  # noqa: PLR0911 - one per kind
    """What is wrong with a value of type `model`; `error` is one of pydantic's."""
    value = error["input"]
    match error["type"]:
        case "missing":
            return "required key is missing"
        case "extra_forbidden":
            return _unknown(model, error)[0]
        case "enum" | "literal_error":
            expected = str(error["ctx"]["expected"])
            one = "one of " if " or " in expected or "," in expected else ""
            return f"{written(value)} is not {one}{expected}".replace("'", "`")
        case "value_error":
            return str(error["ctx"]["error"])
        case "string_type":
            return f"expected a string, found {written(value)}{_quoted(value)}"
        case "tuple_type" | "list_type":
            return _list(model, error["loc"], value)
        case "int_parsing_size":
            return "the number is too large"
        case "too_short" | "string_too_short":
            return _empty(value, is_key=error["loc"][-1:] == (KEY,))
        case kind if kind in EXPECTED:
            expected = EXPECTED[kind].format(**error.get("ctx", {}))
            return f"expected {expected}, found {written(value)}"
        case _:
            return f"{written(value)} is not allowed here"


def known(model: Any, error: Any) -> str:
    """The keys that could replace an unknown one; "" for any other problem."""
    return _unknown(model, error)[1] if error["type"] == "extra_forbidden" else ""


def meant(model: Any, error: Any) -> str:
    """The key that an unknown one probably stands for; "" for any other problem."""
    if error["type"] != "extra_forbidden":
        return ""
    return similar(str(error["loc"][-1]), _keys(model, error["loc"][:-1]))


def similar(key: str, known: Sequence[str]) -> str:
    """The known key that an unknown one probably stands for, else ""."""
    near = difflib.get_close_matches(key[:LONGEST], known, n=1, cutoff=ALIKE)
    near = near or [name for name in known if len(key) >= SHORTEST and name.startswith(key)]
    return near[0] if near else ""


def unknown(key: str, known: Sequence[str]) -> tuple[str, str]:
    """The message for an unknown key; without a similar one, also the list of known keys."""
    if near := similar(key, known):
        return f"unknown key; did you mean `{near}`?", ""
    return "unknown key", f"known keys: {', '.join(f'`{name}`' for name in known)}"


def _unknown(model: Any, error: Any) -> tuple[str, str]:
    return unknown(str(error["loc"][-1]), _keys(model, error["loc"][:-1]))


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


def _empty(value: object, *, is_key: bool) -> str:
    """The schema wants at least one character of texts, and at least one value of lists."""
    if not isinstance(value, str):
        return "expected at least one value"
    return f"the {'name' if is_key else 'value'} is empty"


def _quoted(value: object) -> str:
    return "" if isinstance(value, (list, dict)) else "; put it in quotes"


def _list(model: Any, loc: Sequence[str | int], value: object) -> str:
    """The message for a value that should be a list: a list with the value in it, or tables."""
    key = str(loc[-1]) if loc else ""
    if isinstance(value, str) and key == "packages" and value.endswith(TEXT):
        return OWN_KEY.format(value.removeprefix("-r").removeprefix("--requirement").strip(" ="))
    if _is_of_tables(_annotation(model, loc)):
        return f"expected a list of tables `[[…{key}]]`, found {written(value)}"
    if isinstance(value, (list, dict)):
        return f"expected a list, found {written(value)}"
    text = written(value) if isinstance(value, str) else f"'{written(value)}'"
    return f'expected a list: `["{text[1:-1]}"]`'


def _keys(annotation: Any, path: Sequence[str | int]) -> list[str]:
    """The keys that the table at `path` below a schema may have."""
    model = next(_models(_annotation(annotation, path)), None)
    fields = {} if model is None else model.model_fields
    return [field.alias or name for name, field in fields.items()]


def _annotation(annotation: Any, path: Sequence[str | int]) -> Any:
    """The type at `path` below a type. Names that only pydantic knows are skipped."""
    for key in path:
        name = str(key).replace("-", "_")
        for model in _models(annotation):
            if field := model.model_fields.get(name):
                annotation = field.annotation
                break
    return annotation


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _is_of_tables(annotation: Any) -> bool:
    return next(_models(annotation), None) is not None
