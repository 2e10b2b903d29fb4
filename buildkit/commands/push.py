"""`buildkit push`."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import click

from buildkit import pipeline, recording
from buildkit.commands import options, report, summary
from buildkit.engine import engine
from buildkit.pipeline import Outcome
from buildkit.project import read as read_project
from buildkit.publish import connect
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from buildkit.model.image import Staged, Verified
    from buildkit.model.target import Target
    from buildkit.project import Project
    from buildkit.publish.connect import Delivery
    from buildkit.support.errors import BuildkitError

AT_ONCE = 8
"""Images: what limits a push is the connections, of which each registry has its own number."""


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A tested image, and as all registries hold it without its tag, if they do."""

    verified: Verified
    staged: Staged | None

    @property
    def outcome(self) -> Outcome:
        return Outcome(
            target=self.verified.built.target,
            built=self.verified.built,
            report=self.verified.report,
            tested_before=True,
        )


@click.command(
    epilog="\b\nExamples:\n  buildkit push 'sklearn*'\n  buildkit push --all --complete\n"
    "  buildkit push --all --registry 123456789012.dkr.ecr.eu-west-1.amazonaws.com"
)
@options.SELECT
@options.ALL
@options.PROJECT
@click.option(
    "--complete",
    is_flag=True,
    help="Give no image its tag unless all can have theirs: tested, sent, the tag not taken.",
)
@options.JOBS
@options.REGISTRY
def command(
    *,
    select: tuple[str, ...],
    everything: bool,
    file: Path,
    allow_outside: bool,
    dist: Path | None,
    as_json: bool,
    complete: bool,
    jobs: int | None,
    registries: tuple[str, ...],
) -> int:
    """Publish the targets that match SELECT and whose image has passed its test.

    The image that was tested is pushed, not built again; one that was staged needs no engine. A tag
    is never overwritten.
    """
    asked = summary.Asked(command="push", select=select)
    project = read_project(file, dist, allow_outside=allow_outside)
    targets = project.select(options.selection(select, everything=everything))
    since = recording.check(project)
    connect.say_which(project.config, registries, options.registries_from())
    hosts = connect.wanted(project.config, registries)
    ready = list(pipeline.each(targets, partial(_ready, project, hosts)))
    needed = any(isinstance(each, Ready) and each.staged is None for _, each in ready)
    with ExitStack() as stack:
        docker = stack.enter_context(engine.connect()) if needed else None
        there = stack.enter_context(connect.to(project.config, registries, project.targets, docker))

        def run(
            items: Sequence[tuple[Target, Ready | BuildkitError]],
            work: Callable[[Target, Ready], Outcome],
        ) -> tuple[Outcome, ...]:
            crew = pipeline.Crew(jobs=jobs or AT_ONCE)
            return pipeline.run(targets, items, work, crew)

        if complete:
            outcomes = run(ready, partial(_stage, project, there))
            if failed := tuple(each for each in outcomes if each.error):
                console.say("no image gets its tag: not all can have theirs", fg="red")
                return report.end(targets, failed, as_json=as_json, asked=asked)
            ready = list(pipeline.each(targets, partial(_ready, project, hosts)))
        outcomes = run(ready, partial(_publish, project, there))
        published = pipeline.published(outcomes)
        moves = there.move_aliases(targets, published, recording.known(project))
        tell = partial(report.end, targets, outcomes, as_json=as_json, moves=moves, asked=asked)
        return recording.end(project, outcomes, there, moves.done, tell, since=since)


def _ready(project: Project, hosts: frozenset[str], target: Target) -> Ready:
    verified, staged = project.verified(target), project.staged(target)
    whole = staged is not None and hosts <= {*staged.hosts}
    return Ready(verified=verified, staged=staged if whole else None)


def _stage(project: Project, there: Delivery, _: Target, ready: Ready) -> Outcome:
    publisher, staged = there.publisher, ready.staged
    stage = partial(publisher.check, staged) if staged else partial(publisher.stage, ready.verified)
    return pipeline.stage(ready.outcome, stage, project.records)


def _publish(project: Project, there: Delivery, _: Target, ready: Ready) -> Outcome:
    publisher, staged = there.publisher, ready.staged
    publish = (
        partial(publisher.release, staged) if staged else partial(publisher.publish, ready.verified)
    )
    return pipeline.publish(ready.outcome, publish, project.records)
