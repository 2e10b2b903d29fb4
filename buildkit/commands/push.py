"""`buildkit push`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from buildkit import pipeline
from buildkit.commands import options, summary

if TYPE_CHECKING:
    from buildkit.commands.scope import Scope


@click.command(
    epilog="\b\nExamples:\n  buildkit push 'sklearn*'\n  buildkit push --all --complete\n"
    "  buildkit push --all --registry 123456789012.dkr.ecr.eu-west-1.amazonaws.com"
)
@options.SELECT
@options.ALL
@options.PROJECT
@options.flag(
    "--complete",
    "All or nothing: tag the images only if every one is tested and uploaded, and its tag is free.",
)
@options.JOBS
@options.REGISTRY
def command(
    *, scope: Scope, as_json: bool, complete: bool, jobs: int | None, registries: tuple[str, ...]
) -> int:
    """Publish the images of the targets that match SELECT and have passed their test.

    The image that was tested is pushed, not built again; a staged image needs no engine. A tag is
    never overwritten.
    """
    asked = summary.Asked(command="push", select=scope.select)
    project = scope.project()
    targets = scope.targets(project)
    choice = pipeline.Choice(
        registries=registries, given_by=options.registries_from(), complete=complete, jobs=jobs
    )
    run = pipeline.push(project, targets, choice)
    return summary.end(run, targets, asked, as_json=as_json)
