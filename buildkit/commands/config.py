"""`buildkit config`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildkit.commands import options, output
from buildkit.config import toml
from buildkit.ecr import wanted
from buildkit.matrix import matrix, origins
from buildkit.support import tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit.commands.scope import Scope
    from buildkit.config.toml import Where
    from buildkit.matrix.origins import Value

SCHEMA = Path(toml.__file__).with_name("images.schema.json")


@click.group(
    cls=options.InOrder,
    epilog="\b\nExamples:\n  buildkit config show sklearn-1.7.2-cpu-py311\n"
    "  buildkit config schema > images.schema.json",
)
def command() -> None:
    """Show what images.toml says about a target, or which keys the file may have."""


@command.command(
    short_help="Print each value of a target, and where it is written.",
    epilog="\b\nExamples:\n  buildkit config show sklearn-1.7.2-cpu-py311\n"
    "  buildkit config show 'sklearn*' --json",
)
@options.SELECT
@options.ALL
@options.READ
@options.JSON
def show(*, scope: Scope, as_json: bool) -> None:
    """Print each value of the targets that match SELECT, and where images.toml has it.

    Patterns are filled in, overrides and `[defaults]` are applied. A value that the file does not
    give is `default`.
    """
    found = scope.config()
    chosen = matrix.select(matrix.expand(found, also=wanted.problems), scope.patterns)
    name, lines = found.path.name, toml.lines_of(found.text)
    values = origins.of_targets(found, chosen)
    document = [
        {"target": id_, "values": [_facts(each, name, lines) for each in of_target]}
        for id_, of_target in values.items()
    ]
    text = [
        "\n".join([id_, *(f"  {line}" for line in tables.aligned(_rows(of_target, name, lines)))])
        for id_, of_target in values.items()
    ]
    output.show(document, ["\n\n".join(text)], as_json=as_json)


@command.command(
    short_help="Print the JSON Schema of images.toml.",
    epilog="Example: buildkit config schema > images.schema.json",
)
def schema() -> None:
    """Print the JSON Schema of images.toml, with which editors complete and check the file.

    Name it in the first line of images.toml: `#:schema images.schema.json`.
    """
    click.echo(SCHEMA.read_text(encoding="utf-8"), nl=False)


def _rows(values: tuple[Value, ...], file: str, lines: Mapping[Where, int]) -> list[list[str]]:
    return [
        [
            each.key,
            "default" if each.written is None else f"{file}:{toml.line_of(each.written, lines)}",
            toml.as_toml(each.value),
        ]
        for each in values
    ]


def _facts(value: Value, file: str, lines: Mapping[Where, int]) -> dict[str, object]:
    at = value.written
    return {
        "key": value.key,
        "value": value.value,
        "file": None if at is None else file,
        "line": None if at is None else toml.line_of(at, lines),
        "written": None if at is None else ".".join(map(str, at)),
    }
