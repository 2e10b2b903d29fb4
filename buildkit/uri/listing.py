"""`buildkit uri --list`: the images that it knows, own and AWS's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from buildkit import tables
from buildkit.releases import ledger, published
from buildkit.uri import known

if TYPE_CHECKING:
    from buildkit.uri.asked import Asked
    from buildkit.uri.known import Row

COLUMNS = (
    "WHOSE", "FRAMEWORK", "VERSION", "PURPOSE", "DEVICE", "PYTHON", "BASE", "REGIONS", "IMAGE",
)  # fmt: skip


def answer(asked: Asked) -> None:
    own = (
        () if asked.prebuilt else published.places(ledger.read_file(ledger.file_beside(asked.file)))
    )
    wanted = known.Filter(
        asked.framework, asked.version, asked.purpose, asked.device, asked.python, asked.region
    )
    rows = known.narrow([*known.own(own), *known.prebuilt(asked.region)], wanted)
    if asked.as_json:
        click.echo(json.dumps([_document(row) for row in rows], indent=2))
    else:
        lines = [_line(row) for row in rows]
        click.echo("\n".join(tables.aligned([COLUMNS, *lines])))


def _line(row: Row) -> tuple[str, ...]:
    image = f"{row.repository}:{row.tag}" if row.tag else row.repository
    return (
        row.whose,
        row.framework,
        ",".join(row.names) or "-",
        ",".join(row.purposes),
        row.device or known.ANY,
        row.python or known.ANY,
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
