"""`buildkit uri --list`: all known images, this project's and AWS's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from buildkit.ledger import ledger
from buildkit.prebuilt import naming
from buildkit.support import tables
from buildkit.uri import catalogue, published

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.uri.asked import Asked
    from buildkit.uri.catalogue import Row
    from buildkit.uri.published import Place

COLUMNS = (
    "WHOSE", "FRAMEWORK", "VERSION", "PURPOSE", "DEVICE", "PYTHON", "BASE", "REGIONS", "IMAGE",
)  # fmt: skip


def answer(asked: Asked) -> None:
    own: tuple[Place, ...] = ()
    if not asked.prebuilt:
        book = ledger.file_beside(asked.file, allow_outside=asked.allow_outside)
        own = published.places(ledger.read_file(book))
    wanted = catalogue.Filter(
        asked.framework, asked.version, asked.purpose, asked.device, asked.python, asked.region
    )
    region = naming.lowered(asked.region)
    rows = catalogue.narrow([*catalogue.own(own), *catalogue.prebuilt(region)], wanted)
    if asked.frameworks:
        _names(rows, as_json=asked.as_json)
    elif asked.as_json:
        click.echo(json.dumps([_document(row) for row in rows], indent=2))
    else:
        lines = [_line(row) for row in rows]
        click.echo("\n".join(tables.aligned([COLUMNS, *lines])))


def _names(rows: Sequence[Row], *, as_json: bool) -> None:
    """Each framework once: its newest version, its purposes and its other names."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.whose, row.framework), []).append(row)
    documents = [
        {
            "whose": whose,
            "framework": name,
            "newest": next(iter(naming.newest_first(n for row in of for n in row.names[:1])), None),
            "purposes": [*dict.fromkeys(each for row in of for each in row.purposes)],
            "also_called": [*naming.spoken(name)] if whose == catalogue.AWS else [],
        }
        for (whose, name), of in found.items()
    ]
    if as_json:
        click.echo(json.dumps(documents, indent=2))
        return
    lines = [
        tuple(",".join(each) if isinstance(each, list) else each or "" for each in one.values())
        for one in documents
    ]
    head = ("WHOSE", "FRAMEWORK", "NEWEST", "PURPOSE", "ALSO CALLED")
    click.echo(
        "\n".join(tables.aligned([head, *([word or "-" for word in line] for line in lines)]))
    )


def _line(row: Row) -> tuple[str, ...]:
    image = f"{row.repository}:{row.tag}" if row.tag else row.repository
    return (
        row.whose,
        row.framework,
        ",".join(row.names) or "-",
        ",".join(row.purposes),
        row.device or catalogue.ANY,
        row.python or catalogue.ANY,
        ",".join(row.bases) or "-",
        row.regions[0] if len(row.regions) == 1 else str(len(row.regions)),
        row.uri or image,
    )


def _document(row: Row) -> dict[str, Any]:
    return {
        "whose": row.whose,
        "id": row.id,
        "framework": row.framework,
        "version": next(iter(row.names), None),
        "names": row.names,
        "purposes": row.purposes,
        "device": row.device,
        "python": row.python,
        "base_frameworks": row.bases,
        "repository": row.repository,
        "tag": row.tag,
        "regions": row.regions,
        "uri": row.uri,
    }
