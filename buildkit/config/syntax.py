"""A text that is no TOML -> where it breaks, why, and what to write instead."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import tomli

from buildkit.config import toml_lines
from buildkit.support.errors import ConfigError
from buildkit.support.suggest import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

TWICE = re.compile(
    r"Cannot (?:declare .* twice|overwrite a value|mutate immutable namespace .*"
    r"|redefine namespace .*)|Duplicate inline table key .*"
)
"""What the parser says of a key or table that is there already."""
INLINE = re.compile(r"Duplicate inline table key '(.*)'")
YAML = re.compile(r"(?:---$|\s*-\s+\S|\s*[\w.-]+:(?:\s|$))")
SAMPLES = "samples"
"""A key whose value may be a name or a table."""
MOST_LINES = 200
"""Lines of one statement that are looked through for its beginning: each try parses the file."""


def load(text: str, name: str) -> dict[str, Any]:
    """The document. Raises ConfigError; `name` is that of the file."""
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise _broken(text.replace("\r\n", "\n"), name, error) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{name}: not TOML that can be read: {error}", hint="is it nested too deep?"
        ) from error


def _broken(text: str, name: str, error: tomli.TOMLDecodeError) -> ConfigError:
    lines = text.split("\n")
    line = lines[error.lineno - 1] if error.lineno <= len(lines) else ""
    if TWICE.fullmatch(error.msg) and (twice := _twice(lines, name, error)) is not None:
        return twice
    hint = "strings need quotes, tables `[...]`; https://toml.io shows the grammar"
    if text.lstrip().startswith("{"):
        hint = f"it looks like JSON, and {name} is TOML: `key = value` below `[image.<name>]`"
    elif YAML.match(line) or YAML.match(lines[0]):
        hint = (
            f"it looks like YAML, and {name} is TOML: `key = value` in the place of `key: value`, "
            '`["a", "b"]` for a list, `[image.<name>]` above the keys of an image'
        )
    return ConfigError(
        f"{name}:{error.lineno}: not TOML: {error.msg} (column {error.colno})", hint=hint
    )


def _twice(lines: Sequence[str], name: str, error: tomli.TOMLDecodeError) -> ConfigError | None:
    """What to say of a key or table that is written a second time; None if it cannot be found."""
    if inside := INLINE.fullmatch(error.msg):
        return ConfigError(
            f"{name}:{error.lineno}: not TOML: the key `{shown(inside[1])}` is there twice in one "
            "table",
            hint="leave one of the two out",
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
    first = toml_lines.line_of("\n".join(lines[:start]), path)
    hint = "remove one of the two"
    if path[-1] == SAMPLES and isinstance(used := toml_lines.value_at(above, path), str):
        hint = f'remove line {first}, and write `use = "{shown(used)}"` beside the other keys'
    elif is_table:
        hint = f"write the keys of both below one `[{key}]`, or rename one of the two"
    return ConfigError(
        f"{name}:{start + 1}: not TOML: the {'table' if is_table else 'key'} `{key}` is there "
        f"twice, first on line {first}",
        hint=hint,
    )


def _statement(lines: Sequence[str], last: int) -> tuple[int, dict[str, Any]] | None:
    """Where the statement begins that ends in line `last`, as an index, and the document above."""
    for start in range(last - 1, max(last - 1 - MOST_LINES, -1), -1):
        with suppress(tomli.TOMLDecodeError):
            return start, tomli.loads("\n".join(lines[:start]))
    return None


def _path_of_key(statement: str, lines: Sequence[str], above: dict[str, Any]) -> toml_lines.Path:
    """The path of the key that a statement writes, of what is there above; empty if it is not."""
    table: toml_lines.Path = ()
    for line in reversed(lines):
        if line.lstrip().startswith("[") and (table := _path(line, above)):
            break
    inner: Any = above
    for part in table:
        inner = inner[part]
    for match in re.finditer("=", statement):  # a quoted key may hold one, too
        if path := _path(f"{statement[: match.start()]}= 0", inner):
            return (*table, *path)
    return ()


def _path(statement: str, there: Any) -> toml_lines.Path:
    """The keys of a statement, those of the last table of a list included; empty if not there."""
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
