"""`buildkit push`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from buildkit import delivery, engine, options, pipeline
from buildkit.commands import released, report
from buildkit.project import read as read_project

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.model import Target, Verified

AT_ONCE = 8
"""Images: what limits a push is the connections, of which each registry has its own number."""


@click.command(
    epilog="\b\nExamples:\n  buildkit push 'sklearn*'\n"
    "  buildkit push --all --registry 123456789012.dkr.ecr.eu-west-1.amazonaws.com"
)
@options.SELECT
@options.ALL
@options.PROJECT
@options.JOBS
@options.REGISTRY
def command(
    *,
    select: tuple[str, ...],
    everything: bool,
    file: Path,
    dist: Path | None,
    as_json: bool,
    jobs: int | None,
    registries: tuple[str, ...],
) -> int:
    """Publish the targets that match SELECT and whose image has passed its test.

    The image that was tested is pushed, not built again. A tag is never overwritten.
    """
    project = read_project(file, dist)
    targets = project.select(options.selection(select, everything=everything))
    released.check(project)
    docker = engine.connect()
    with delivery.to(project.config, registries, project.targets, docker) as there:

        def interrupt() -> None:
            there.interrupt()  # first: an engine waits for whoever reads a blob of it
            docker.interrupt()

        def work(target: Target, verified: Verified) -> pipeline.Outcome:
            outcome = pipeline.Outcome(
                target=target, built=verified.built, report=verified.report, tested_before=True
            )
            return pipeline.publish(outcome, verified, there.publish, project.records)

        outcomes = pipeline.run(
            targets,
            pipeline.each(targets, project.verified),
            work,
            pipeline.Crew(interrupt=interrupt, jobs=jobs or AT_ONCE),
        )
        published = pipeline.published(outcomes)
        moves = pipeline.alone(
            partial(there.move_aliases, targets, published, released.known(project)), interrupt
        )
        tell = partial(report.end, targets, outcomes, as_json=as_json, moves=moves)
        return released.end(project, outcomes, there, moves.done, tell)
