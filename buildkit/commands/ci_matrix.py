"""`buildkit ci-matrix`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from buildkit.ci import changes, formats, shards
from buildkit.commands import options
from buildkit.ledger import history, ledger
from buildkit.project import read as read_project
from buildkit.support.errors import UsageError
from buildkit.system import console

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.ci.shards import Shard

MOST = max(formats.MOST.values())


@click.command(
    "ci-matrix",
    epilog="\b\nExamples:\n"
    '  buildkit ci-matrix --all --format github --unreleased >> "$GITHUB_OUTPUT"\n'
    "  buildkit ci-matrix --all --since origin/main\n"
    "  buildkit ci-matrix 'sklearn*' --format gitlab --shards 3 > child.yml\n"
    "  buildkit ci-matrix --all --format buildspec > buildspec.yml",
)
@options.SELECT
@options.ALL
@options.READ
@options.JSON
@click.option(
    "--format",
    "format_",
    type=click.Choice([*formats.FORMATS]),
    default="markdown",
    show_default=True,
    help="For whom: GitHub's matrix, GitLab's child pipeline, CodeBuild's batch, or people.",
)
@click.option(
    "--shards",
    "count",
    type=click.IntRange(min=1),
    metavar="N",
    help="Split into N jobs, or one for each target if that is less.  [default: as many as keep "
    "each at ten minutes, or at the longest target]",
)
@click.option(
    "--since",
    metavar="COMMIT",
    help="Only targets that are built or tested otherwise than where this branch left COMMIT.",
)
@click.option("--unreleased", is_flag=True, help="Only targets whose tag no release has given.")
def command(
    *,
    select: tuple[str, ...],
    everything: bool,
    file: Path,
    allow_outside: bool,
    as_json: bool,
    format_: str,
    count: int | None,
    since: str | None,
    unreleased: bool,
) -> None:
    """Split the targets that match SELECT into shards for the jobs of a CI, and print them.

    Each shard takes about as long as the others, by the times of builds and tests on record.
    """
    if as_json and options.is_given("format_"):
        raise UsageError("`--json` and `--format` exclude each other", hint="leave one out")
    most = formats.MOST.get(format_, MOST)
    if count is not None and count > most:
        raise UsageError(
            f"`--shards {count}`: `{format_}` has {most} at most",
            hint="give fewer; a shard takes any number of targets",
        )
    project = read_project(file, None, renders=True, allow_outside=allow_outside)
    targets = project.select(options.selection(select, everything=everything))
    releases = ledger.beside(project.config.path).read()
    if since is not None:
        targets = changes.since(project, targets, since)
        for each in changes.stale(project, targets, releases):
            console.step(
                each.id,
                "is released as it was: raise its revision, `buildkit revise`, before a release",
                fg="yellow",
            )
    if unreleased:
        targets = changes.unreleased(project, targets, releases)
    times = shards.seconds(targets, (image for _, image in history.images(releases)))
    wanted = count or shards.enough([*times.values()], most)
    found = shards.balance(targets, times, wanted)
    if as_json:
        click.echo(json.dumps([_facts(each) for each in found], indent=2))
    else:
        click.echo(formats.FORMATS[format_](found))


def _facts(shard: Shard) -> dict[str, object]:
    return {
        "shard": shard.number,
        "targets": [each.id for each in shard.targets],
        "seconds": shard.seconds,
    }
