"""`buildkit merge`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildkit.ci import changes, merging
from buildkit.commands import options, output
from buildkit.contract import verdict
from buildkit.support.amounts import count
from buildkit.system import console

if TYPE_CHECKING:
    from buildkit.commands.scope import Scope


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
def command(*, scope: Scope, given: tuple[Path, ...], as_json: bool) -> None:
    """Merge records of builds and tests on other machines, for the targets that match SELECT.

    All or nothing: the merge fails if a target has no record, did not pass its test, was built from
    different files than this checkout's, or has two images. The error names each such target.
    """
    project = scope.project()
    targets = scope.targets(project)
    parts = merging.merge(
        project, targets, merging.folders(given), changes.inputs_of(project, targets)
    )
    merging.write(project, parts)
    folders = len({each.folder for each in parts})
    console.say(f"targets: {len(parts)}, from {count(folders, 'folder')}")
    document, lines = [], []
    for each in parts:
        target_id = each.verified.built.target.id
        if untried := verdict.untried(each.verified.report):
            console.step(target_id, untried, fg="yellow")
        document.append({"id": target_id, "digest": each.digest, "from": str(each.folder)})
        lines.append(f"{target_id}  {each.digest}")
    output.show(document, lines, as_json=as_json)
