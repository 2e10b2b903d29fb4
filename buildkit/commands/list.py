"""`buildkit list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from buildkit.amis import fit
from buildkit.commands import options, output
from buildkit.ecr import wanted
from buildkit.matrix import compatibility, matrix
from buildkit.render import ingredients, render
from buildkit.support import tables

if TYPE_CHECKING:
    from buildkit.commands.scope import Scope
    from buildkit.model.target import Target

COLUMNS = ("TARGET", "IMAGE", "PURPOSE", "BASE", "")


@click.command("list", epilog="Example: buildkit list 'sklearn*' --json")
@options.SELECT
@options.READ
@options.JSON
def command(*, scope: Scope, as_json: bool) -> None:
    """List the targets of images.toml that match SELECT; without SELECT, all of them.

    SELECT is one or more names of images, or patterns on target ids with `*` as in file names.
    """
    found = scope.config()
    templates = render.templates(found.folder, found.boundary)
    targets = matrix.expand(found, templates, also=wanted.problems)
    targets = matrix.select(targets, scope.select or ("*",))
    render.render_all(ingredients.one_of_each_kind(targets), templates)  # their templates work
    files = {t.dockerfile: t.dockerfile and templates.here(t.dockerfile) for t in targets}
    made_by = {(t.template, t.dockerfile): t for t in targets}
    why = {each: templates.why_not_reproducible(target) for each, target in made_by.items()}
    known = [(t, files[t.dockerfile], why[t.template, t.dockerfile]) for t in targets]
    rows = [(t.id, t.image, t.purpose.value, t.base, _note(t, *others)) for t, *others in known]
    facts = [_facts(*each) for each in known if as_json]
    output.show(facts, tables.aligned([COLUMNS, *rows]), as_json=as_json)


def _facts(
    target: Target, dockerfile: str | None, not_reproducible: str | None
) -> dict[str, object]:
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
        "template": target.template or None,
        "dockerfile": dockerfile,
        "stage": target.stage,
        "packages": target.packages,
        "lockable": target.lockable,
        "repository": target.repository,
        "tag": target.tag,
        "end_of_life": target.end_of_life,
        "cuda": str(cuda.version) if cuda else None,
        "driver": str(cuda.driver) if cuda and cuda.driver else None,
        **fit.document(cuda.needs if cuda else None),
        "not_reproducible": not_reproducible,
    }


def _note(target: Target, dockerfile: str | None, not_reproducible: str | None) -> str:
    cuda = compatibility.cuda_of(target)
    notes = [f"{dockerfile}, stage {target.stage}" if target.stage else dockerfile or ""]
    notes += [f"end of life {target.end_of_life}"] if target.end_of_life else []
    notes += [] if target.lockable else ["packages not locked"]
    if cuda:
        oldest = f", driver {cuda.driver} or newer" if cuda.driver else ""
        notes += [f"CUDA {cuda.version}{oldest}", *map(str, cuda.asks)]
    notes += [f"not reproducible: {not_reproducible}"] if not_reproducible else []
    return "; ".join(filter(None, notes))
