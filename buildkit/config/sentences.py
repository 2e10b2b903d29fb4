"""What pydantic finds in images.toml -> our words, which are those of TOML."""

from __future__ import annotations

import difflib
from datetime import date, time
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from buildkit.config.requirements import OWN_KEY, TEXT
from buildkit.support.addresses import hidden, quoted
from buildkit.support.suggest import LONGEST, SHORTEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ALIKE = 0.65
"""How like a known key an unknown one has to be (difflib): `dockerfile` is no `override`."""
WANTED = {
    "bool_type": "`true` or `false` is wanted",
    "bool_parsing": "`true` or `false` is wanted",
    "int_type": "a whole number is wanted",
    "int_parsing": "a whole number is wanted",
    "int_from_float": "a whole number is wanted",
    "model_type": "a table `{ … }` is wanted",
    "dict_type": "a table `{ … }` is wanted",
}


def sentence(model: Any, error: Any) -> str:  # noqa: PLR0911 - one per kind
    """Say what is wrong with a value; `error` is one of pydantic's, of a value of type `model`."""
    value = error["input"]
    match error["type"]:
        case "missing":
            return "this key is missing"
        case "extra_forbidden":
            return _unknown(model, error)[0]
        case "enum" | "literal_error":
            expected = str(error["ctx"]["expected"])
            one = "one of " if " or " in expected or "," in expected else ""
            return f"{written(value)} is not {one}{expected}".replace("'", "`")
        case "value_error":
            return str(error["ctx"]["error"])
        case "string_type":
            return f"a string is wanted, not {written(value)}{_quoted(value)}"
        case "tuple_type" | "list_type":
            return _list(model, error["loc"], value)
        case "int_parsing_size":
            return "this number is too large"
        case "too_short":
            return "at least one value is wanted"
        case kind if kind in WANTED:
            return f"{WANTED[kind]}, not {written(value)}"
        case _:
            return f"{error['msg'][0].lower()}{error['msg'][1:]}, not {written(value)}"


def known(model: Any, error: Any) -> str:
    """What could be written in the place of a key that is none; "" of any other problem."""
    return _unknown(model, error)[1] if error["type"] == "extra_forbidden" else ""


def unknown(key: str, known: Sequence[str]) -> tuple[str, str]:
    """Of a key that is none: that, with a known one that is near; else all of them beside it."""
    near = difflib.get_close_matches(key[:LONGEST], known, n=1, cutoff=ALIKE)
    near = near or [name for name in known if len(key) >= SHORTEST and name.startswith(key)]
    if near:
        return f"unknown key; did you mean `{near[0]}`?", ""
    return "unknown key", f"known are {', '.join(f'`{name}`' for name in known)}"


def _unknown(model: Any, error: Any) -> tuple[str, str]:
    return unknown(str(error["loc"][-1]), _keys(model, error["loc"][:-1]))


def written(value: object) -> str:
    """A value as TOML has it, cut where it is long, without what may be secret."""
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
            except ValueError:  # Python writes no whole number of over 4,300 digits
                return "a number of thousands of digits"
            return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _quoted(value: object) -> str:
    return "" if isinstance(value, (list, dict)) else "; put it in quotes"


def _list(model: Any, loc: Sequence[str | int], value: object) -> str:
    """Of what is no list, and should be: one with the value in it, or tables."""
    key = str(loc[-1]) if loc else ""
    if isinstance(value, str) and key == "packages" and value.endswith(TEXT):
        return OWN_KEY.format(value.removeprefix("-r").removeprefix("--requirement").strip(" ="))
    if _is_of_tables(_annotation(model, loc)):
        return f"a list of tables is wanted, `[[…{key}]]`, not {written(value)}"
    if isinstance(value, (list, dict)):
        return f"a list is wanted, not {written(value)}"
    text = written(value) if isinstance(value, str) else f"'{written(value)}'"
    return f'a list is wanted: `["{text[1:-1]}"]`'


def _keys(annotation: Any, path: Sequence[str | int]) -> list[str]:
    """The keys that the table at `path` below a schema may have."""
    model = next(_models(_annotation(annotation, path)), None)
    fields = {} if model is None else model.model_fields
    return [field.alias or name for name, field in fields.items()]


def _annotation(annotation: Any, path: Sequence[str | int]) -> Any:
    """The type of what is at `path` below a type; words that only pydantic has are passed over."""
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
