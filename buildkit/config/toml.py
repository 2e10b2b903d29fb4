"""The text of images.toml -> its tables, the line of each key, and why it is not TOML."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import tomli

from buildkit.support.errors import ConfigError
from buildkit.support.suggest import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Where = tuple[str | int, ...]
"""The keys on the way to a value."""
TWICE = re.compile(
    r"Cannot (?:declare .* twice|overwrite a value|mutate immutable namespace .*"
    r"|redefine namespace .*)|Duplicate inline table key .*"
)
"""The parser's messages about a key or table that already exists."""
INLINE = re.compile(r"Duplicate inline table key '(.*)'")
YAML = re.compile(r"(?:---$|\s*-\s+\S|\s*[\w.-]+:(?:\s|$))")
SAMPLES = "samples"
"""A key whose value may be a name or a table."""
BARE = re.compile("[A-Za-z0-9_-]+")
"""A key without quotes."""
QUOTES = "\"'"
DEPTHS = {"[": 1, "{": 1, "]": -1, "}": -1}
MARKS = {
    "": re.compile(r"\"+|'+|#[^\n]*|[\[\]{}\n]"),
    '"': re.compile(r'\\.|"'),
    "'": re.compile("'"),
    '"""': re.compile(r'\\.|"{3,}', re.DOTALL),
    "'''": re.compile("'{3,}"),
}
"""What delimits a statement, outside of strings (`""`) and in a string that these quotes begin."""
MOST_LINES = 200
"""How many lines are searched for the beginning of a statement: each try parses the file."""


class AsWritten(float):
    """A number that prints as the file has it: 3.10 without its quotes is a version, not 3.1."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def load(text: str, name: str) -> dict[str, Any]:
    """Parse the file `name`. Raises ConfigError."""
    try:
        return tomli.loads(text, parse_float=AsWritten)
    except tomli.TOMLDecodeError as error:
        raise _broken(text.replace("\r\n", "\n"), name, error) from error
    except RecursionError as error:
        raise ConfigError(
            f"{name}: cannot be read as TOML: {error}", hint="reduce the nesting of its values"
        ) from error
    except ValueError as error:  # Python converts no integer with more than 4300 digits
        raise ConfigError(
            f"{name}:{_line_of_long_number(text)}: a number has thousands of digits",
            hint="write a smaller number, or put the digits in quotes",
        ) from error


def facts(document: dict[str, Any]) -> Iterator[tuple[Where, dict[str, Any]]]:
    """`[defaults]`, each image and each of its overrides, with its place, valid or not."""
    tables: list[tuple[Where, Any]] = [(("defaults",), document.get("defaults"))]
    for name, image in items(document.get("image")):
        tables.append((("image", name), image))
        overrides = image.get("override") if isinstance(image, dict) else None
        for number, override in enumerate(overrides if isinstance(overrides, list) else ()):
            tables.append((("image", name, "override", number), override))
    yield from ((at, table) for at, table in tables if isinstance(table, dict))


def items(table: object) -> Iterator[tuple[str, Any]]:
    """The keys and values of a table; none if the author wrote something else in its place."""
    yield from table.items() if isinstance(table, dict) else ()


def lines_of(text: str) -> Mapping[Where, int]:
    """The line, from 1, of each key and table of a TOML text: where a statement first has it.

    What a value contains, such as the keys of `{ … }`, has no line of its own.
    """
    found: dict[Where, int] = {}
    last: dict[Where, int] = {}  # the number of the last table of each `[[…]]`
    table: Where = ()
    for line, statement in _statements(text):
        path = () if statement.startswith("[") else table
        written: object = tomli.loads(statement)
        while isinstance(written, dict) and len(written) == 1:
            ((key, written),) = written.items()
            path = (*path, key)
            found.setdefault(path, line)
            if statement.startswith("[[") and isinstance(written, list):
                last[path] = last.get(path, -1) + 1
            if path in last:
                path = (*path, last[path])
                found.setdefault(path, line)
        if statement.startswith("["):
            table = path
    return found


def line_of(path: Where, lines: Mapping[Where, int]) -> int:
    """The line of the longest part of `path` that has one; the first line if none has."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement of a TOML text, which may have several lines, with its first line."""
    start, end, line, depth, quotes = 0, 0, 1, 0, ""
    while match := MARKS[quotes].search(text, end):
        mark, end = match[0], match.end()
        if quotes:
            quotes = quotes if mark.startswith("\\") else ""
        elif mark[0] in QUOTES:
            # Two quotes are an empty string, six or more a whole one of the form with three.
            quotes = mark[:3] if len(mark) in (1, 3, 4, 5) else ""
        elif mark in DEPTHS:
            depth += DEPTHS[mark]
        elif mark == "\n" and not depth:
            yield line, text[start:end].strip()
            line, start = line + text.count("\n", start, end), end
    yield line, text[start:].strip()


def value_at(document: object, path: Where) -> object | None:
    """The value at `path`; None if there is none, which TOML cannot write."""
    for key in path:
        match document:
            case dict() if key in document:
                document = document[key]
            case list() if isinstance(key, int) and key < len(document):
                document = document[key]
            case _:
                return None
    return document


def _line_of_long_number(text: str) -> int:
    """The first line on which the parser fails on a number, whatever follows the line."""
    lines = text.split("\n")
    ends = range(1, len(lines) + 1)
    return 1 + bisect_left(ends, x=True, key=lambda end: _has_long_number(lines[:end]))


def _has_long_number(lines: Sequence[str]) -> bool:
    try:
        tomli.loads("\n".join(lines))
    except tomli.TOMLDecodeError:
        return False
    except ValueError:
        return True
    return False


def _broken(text: str, name: str, error: tomli.TOMLDecodeError) -> ConfigError:
    lines = text.split("\n")
    line = lines[error.lineno - 1] if error.lineno <= len(lines) else ""
    if TWICE.fullmatch(error.msg) and (twice := _twice(lines, name, error)) is not None:
        return twice
    hint = "strings need quotes, tables `[...]`; https://toml.io shows the grammar"
    if text.lstrip().startswith("{"):
        hint = f"{name} looks like JSON, but is TOML: `key = value` below `[image.<name>]`"
    elif YAML.match(line) or YAML.match(lines[0]):
        hint = (
            f"{name} looks like YAML, but is TOML: `key = value` instead of `key: value`, "
            '`["a", "b"]` for a list, `[image.<name>]` above the keys of an image'
        )
    return ConfigError(
        f"{name}:{error.lineno}: not TOML: {error.msg} (column {error.colno})", hint=hint
    )


def _twice(lines: Sequence[str], name: str, error: tomli.TOMLDecodeError) -> ConfigError | None:
    """The error for a key or table that is written twice; None if its places cannot be found."""
    if inside := INLINE.fullmatch(error.msg):
        return ConfigError(
            f"{name}:{error.lineno}: not TOML: the key `{shown(inside[1])}` is written twice in "
            "one table",
            hint="remove one of the two",
        )
    if (found := _statement(lines, error.lineno)) is None:
        return None
    start, above = found
    statement = "\n".join(lines[start : error.lineno])
    is_table = statement.lstrip().startswith("[")
    path = _path(statement, above) if is_table else _path_of_key(statement, lines[:start], above)
    if not path:
        return None
    key = shown(".".join(str(part) for part in path))
    first = line_of(path, lines_of("\n".join(lines[:start])))
    hint = "remove one of the two"
    if path[-1] == SAMPLES and isinstance(used := value_at(above, path), str):
        hint = f'remove line {first}, and write `use = "{shown(used)}"` beside the other keys'
    elif is_table:
        hint = f"move the keys of both below one `[{key}]`, or rename one of the two"
    return ConfigError(
        f"{name}:{start + 1}: not TOML: the {'table' if is_table else 'key'} `{key}` is "
        f"written twice, first on line {first}",
        hint=hint,
    )


def _statement(lines: Sequence[str], last: int) -> tuple[int, dict[str, Any]] | None:
    """The index of the first line of the statement that ends on line `last`; the document above."""
    for start in range(last - 1, max(last - 1 - MOST_LINES, -1), -1):
        with suppress(tomli.TOMLDecodeError):
            return start, tomli.loads("\n".join(lines[:start]))
    return None


def _path_of_key(statement: str, lines: Sequence[str], above: dict[str, Any]) -> Where:
    """The path of the key that a statement writes again; empty if the key is new."""
    table: Where = ()
    for line in reversed(lines):
        if line.lstrip().startswith("[") and (table := _path(line, above)):
            break
    inner: Any = above
    for part in table:
        inner = inner[part]
    for match in re.finditer("=", statement):  # a quoted key may contain one, too
        if path := _path(f"{statement[: match.start()]}= 0", inner):
            return (*table, *path)
    return ()


def _path(statement: str, there: Any) -> Where:
    """The keys of a statement, with the last number of each list; empty if a key is new."""
    try:
        written: Any = tomli.loads(statement)
    except tomli.TOMLDecodeError:
        return ()
    path: list[str | int] = []
    while isinstance(written, dict) and written:
        ((key, written),) = written.items()
        if path and not isinstance(there, dict):
            return tuple(path)  # a value where the statement needs a table
        if not isinstance(there, dict) or key not in there:
            return ()
        there = there[key]
        path.append(key)
        if isinstance(there, list) and there and isinstance(written, (dict, list)):
            path.append(len(there) - 1)
            there, written = there[-1], written[-1] if isinstance(written, list) else written
    return tuple(path)


def as_toml(value: Any) -> str:
    """A value as an author would write it; `-` for none, which TOML cannot write."""
    match value:
        case None:
            return "-"
        case dict():
            inside = ", ".join(f"{_key(key)} = {as_toml(item)}" for key, item in value.items())
            return f"{{ {inside} }}" if inside else "{}"
        case list() | tuple():
            return f"[{', '.join(map(as_toml, value))}]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if BARE.fullmatch(name) else json.dumps(name)
