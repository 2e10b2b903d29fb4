"""`buildkit uri --list`: all known images, this project's and AWS's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from buildkit.prebuilt import naming
from buildkit.support import tables
from buildkit.uri import catalogue, published

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.uri.asked import Asked
    from buildkit.uri.catalogue import Row

COLUMNS = (
    "OWNER", "FRAMEWORK", "VERSION", "PURPOSE", "DEVICE", "PYTHON", "BASE", "REGIONS", "IMAGE",
)  # fmt: skip


def answer(asked: Asked) -> None:
    own = () if asked.prebuilt else published.places(published.releases(asked))
    rows = catalogue.narrow([*catalogue.own(own), *catalogue.prebuilt(asked.region)], asked)
    if asked.frameworks:
        _names(rows, as_json=asked.as_json)
    elif asked.as_json:
        click.echo(json.dumps([row._asdict() for row in rows], indent=2))
    else:
        click.echo("\n".join(tables.aligned([COLUMNS, *map(_line, rows)])))


def _names(rows: Sequence[Row], *, as_json: bool) -> None:
    """Each framework once: its newest version, its purposes and its other names."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.whose, row.framework), []).append(row)
    documents = [
        {
            "whose": whose,
            "framework": name,
            "newest": next(iter(naming.newest_first(filter(None, (r.version for r in of)))), None),
            "purposes": [*dict.fromkeys(each for row in of for each in row.purposes)],
            "also_called": [*naming.spoken(name)] if whose == catalogue.AWS else [],
        }
        for (whose, name), of in found.items()
    ]
    if as_json:
        click.echo(json.dumps(documents, indent=2))
        return
    head = ("OWNER", "FRAMEWORK", "NEWEST", "PURPOSE", "ALSO CALLED")
    lines = [
        [(",".join(each) if isinstance(each, list) else each) or "-" for each in one.values()]
        for one in documents
    ]
    click.echo("\n".join(tables.aligned([head, *lines])))


def _line(row: Row) -> tuple[str, ...]:
    image = f"{row.repository}:{row.tag}" if row.tag else row.repository
    return (
        row.whose,
        row.framework,
        ",".join(row.names) or "-",
        ",".join(row.purposes),
        row.device or catalogue.ANY,
        row.python or catalogue.ANY,
        ",".join(row.base_frameworks) or "-",
        row.regions[0] if len(row.regions) == 1 else str(len(row.regions)),
        row.uri or image,
    )
