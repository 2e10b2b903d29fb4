"""`buildkit ci-matrix`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from buildkit.ci import changes, formats, shards
from buildkit.commands import options, output
from buildkit.ledger import history
from buildkit.support.errors import UsageError
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.ci.shards import Shard
    from buildkit.commands.scope import Scope
    from buildkit.ledger.record import Release
    from buildkit.model.target import Target
    from buildkit.project import Project

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
    help="Print GitHub's matrix, GitLab's child pipeline, CodeBuild's batch, or a table for "
    "people.",
)
@click.option(
    "--shards",
    "count",
    type=click.IntRange(min=1),
    metavar="N",
    help="Split into N jobs, at most one per target.  [default: enough to keep each near 10 "
    "minutes, or near the longest target]",
)
@click.option(
    "--since",
    metavar="COMMIT",
    help="Select only targets whose build or test inputs changed since this branch forked from "
    "COMMIT.",
)
@options.flag("--unreleased", "Select only targets that are not released yet.")
def command(
    *,
    scope: Scope,
    as_json: bool,
    format_: str,
    count: int | None,
    since: str | None,
    unreleased: bool,
) -> None:
    """Split the targets that match SELECT into shards, one per CI job, and print them.

    All shards take about the same time, estimated from recorded builds and tests.
    """
    if as_json and options.is_given("format_"):
        raise UsageError("`--json` and `--format` exclude each other", hint="leave one out")
    most = _most(format_, count)
    project = scope.project(renders=True)
    targets = scope.targets(project)
    releases = scope.ledger().read()
    targets = _narrowed(project, targets, releases, since=since, unreleased=unreleased)
    times = shards.seconds(targets, (image for _, image in history.images(releases)))
    found = shards.balance(targets, times, count or shards.enough([*times.values()], most))
    output.show([*map(_facts, found)], [formats.FORMATS[format_](found)], as_json=as_json)


def _most(format_: str, count: int | None) -> int:
    """The most shards that a CI system takes. Raises UsageError if `count` exceeds them."""
    most = formats.MOST.get(format_, MOST)
    if count is not None and count > most:
        raise UsageError(
            f"`--shards {count}` is too many: `{format_}` takes {most} at most",
            hint="pass fewer; a shard takes any number of targets",
        )
    return most


def _narrowed(
    project: Project,
    targets: tuple[Target, ...],
    releases: Sequence[Release],
    *,
    since: str | None,
    unreleased: bool,
) -> tuple[Target, ...]:
    """The targets that `--since` and `--unreleased` leave."""
    if since is not None:
        targets = changes.since(project, targets, since)
        for each in changes.stale(project, targets, releases):
            console.step(
                each.id,
                f"already released from other files: run `buildkit revise {each.id}` first",
                fg="yellow",
            )
    return changes.unreleased(project, targets, releases) if unreleased else targets


def _facts(shard: Shard) -> dict[str, object]:
    return {
        "shard": shard.number,
        "targets": [each.id for each in shard.targets],
        "seconds": shard.seconds,
    }
