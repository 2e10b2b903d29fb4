"""`buildkit list`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from buildkit.commands import options
from buildkit.config import images_toml
from buildkit.matrix import compatibility, matrix
from buildkit.render import ingredients, render
from buildkit.support import tables

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.model.target import Target

COLUMNS = ("TARGET", "IMAGE", "PURPOSE", "BASE", "")


@click.command("list", epilog="Example: buildkit list 'sklearn*' --json")
@options.SELECT
@options.READ
@options.JSON
def command(*, select: tuple[str, ...], file: Path, allow_outside: bool, as_json: bool) -> None:
    """List the targets of images.toml that match SELECT; without SELECT, all of them.

    SELECT is one or more names of images, or patterns on target ids with `*` as in file names.
    """
    found = images_toml.read(file, allow_outside=allow_outside)
    templates = render.templates(found.folder, found.boundary)
    targets = matrix.select(matrix.expand(found, templates), select or ("*",))
    render.render_all(ingredients.one_of_each_kind(targets), templates)  # their templates work
    if as_json:
        click.echo(json.dumps([_facts(target) for target in targets], indent=2))
    else:
        rows = [(t.id, t.image, t.purpose.value, t.base, _note(t)) for t in targets]
        click.echo("\n".join(tables.aligned([COLUMNS, *rows])))


def _facts(target: Target) -> dict[str, object]:
    cuda = compatibility.cuda_of(target)
    return {
        "id": target.id,
        "name": target.name,
        "version": target.version,
        "device": target.device.value,
        "python": target.python,
        "purpose": target.purpose.value,
        "platform": target.platform,
        "base": target.base,
        "template": target.template,
        "packages": target.packages,
        "repository": target.repository,
        "tag": target.tag,
        "end_of_life": target.end_of_life,
        "cuda": cuda.version if cuda else None,
        "driver": cuda.driver if cuda else None,
    }


def _note(target: Target) -> str:
    cuda = compatibility.cuda_of(target)
    notes = [f"end of life {target.end_of_life}"] if target.end_of_life else []
    notes += [f"CUDA {cuda.version}, driver {cuda.driver} or newer"] if cuda else []
    return "; ".join(notes)
