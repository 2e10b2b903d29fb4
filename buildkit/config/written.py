"""The tables of images.toml as the author wrote them, valid or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.config.problems import Where


def facts(document: dict[str, Any]) -> Iterator[tuple[Where, dict[str, Any]]]:
    """`[defaults]`, each image and each of its overrides, with its place in the file."""
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
