"""`buildkit merge`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from buildkit.ci import changes, merging
from buildkit.commands import options
from buildkit.contract import verdict
from buildkit.project import read as read_project
from buildkit.system import console


@click.command(
    epilog="\b\nExamples:\n"
    "  buildkit merge --all --from shards\n"
    "  buildkit merge 'sklearn*' --from one/dist --from two/dist"
)
@options.SELECT
@options.ALL
@click.option(
    "--from",
    "given",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    required=True,
    metavar="FOLDER",
    help="Read the records of a shard, or of all shards in this folder. Repeatable.",
)
@options.PROJECT
def command(
    *,
    select: tuple[str, ...],
    everything: bool,
    given: tuple[Path, ...],
    file: Path,
    allow_outside: bool,
    dist: Path | None,
    as_json: bool,
) -> None:
    """Merge records of builds and tests on other machines, for the targets that match SELECT.

    All or nothing: the merge fails if a target has no record, did not pass its test, was built from
    different files than this checkout's, or has two images. The error names each such target.
    """
    project = read_project(file, dist, allow_outside=allow_outside)
    targets = project.select(options.selection(select, everything=everything))
    parts = merging.merge(
        project, targets, merging.folders(given), changes.inputs_of(project, targets)
    )
    merging.write(project, parts)
    folders = len({each.folder for each in parts})
    console.say(f"targets: {len(parts)}, from {folders} folder" + ("s" if folders > 1 else ""))
    for each in parts:
        if untried := verdict.untried(each.verified.report):
            console.step(each.verified.built.target.id, untried, fg="yellow")
    if as_json:
        found = [
            {"id": each.verified.built.target.id, "digest": each.digest, "from": str(each.folder)}
            for each in parts
        ]
        click.echo(json.dumps(found, indent=2))
    else:
        for each in parts:
            click.echo(f"{each.verified.built.target.id}  {each.digest}")
