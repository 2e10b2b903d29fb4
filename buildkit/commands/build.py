"""`buildkit build`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from buildkit import pipeline
from buildkit.commands import options, report
from buildkit.pipeline import Until
from buildkit.support.errors import UsageError

if TYPE_CHECKING:
    from buildkit.commands.scope import Scope
    from buildkit.config.network import Network
    from buildkit.project import Project


@click.command(
    epilog="\b\nExamples:\n  buildkit build 'sklearn*'\n  buildkit build --all --push\n"
    "  buildkit build basic-1.0-cpu-py311 --plan\n"
    "  buildkit build --all --substitute 'python:*=mirror.example/library/python:*'"
)
@options.SELECT
@options.ALL
@options.PROJECT
@options.flag("--push", "Publish the images that pass their test.")
@options.flag(
    "--stage", "Upload tested images by digest, without a tag; run `buildkit push` to tag them."
)
@options.flag("--plan", "Print the plan for `docker buildx bake`, and build nothing.", "only_plan")
@click.option(
    "--locked/--unlocked",
    default=None,
    help="Build exactly what images.lock pins; or ignore the file, and build the newest packages "
    "and bases.  [default: --locked if images.lock exists]",
)
@options.flag("--fail-fast", "Stop at the first target that fails.")
@options.flag("--no-cache", "Run every build step again, also those in the build cache.")
@options.NETWORK
@options.flag("--retest", "Test images again that have passed before.")
@options.JOBS
@options.REGISTRY
@options.BUILD
@options.VERBOSE
def command(
    *,
    scope: Scope,
    as_json: bool,
    push: bool,
    stage: bool,
    only_plan: bool,
    locked: bool | None,
    fail_fast: bool,
    no_cache: bool,
    build_network: Network,
    retest: bool,
    jobs: int | None,
    registries: tuple[str, ...],
    verbose: bool,
) -> int:
    """Build the images of the targets that match SELECT, test each, and with --push publish them.

    An image is published only if it passed its test, under a tag that no other image has. A target
    that fails does not stop the others; all failures are listed at the end.
    """
    choice = pipeline.Choice(
        until=_until(push=push, stage=stage),
        registries=registries,
        given_by=options.registries_from(),
        retest=retest,
        fail_fast=fail_fast,
        no_cache=no_cache,
        verbose=verbose,
        jobs=jobs,
    )
    asked = report.Asked(command="build", select=scope.select)
    project = _with_lock(scope.project(renders=True), locked)
    targets, around = scope.targets(project), build_network.with_rules(project.config.substitutes)
    if only_plan:
        with pipeline.planned(project, targets, around) as plan:
            click.echo(json.dumps(plan.document, indent=2))
        return 0
    run = pipeline.build(project, targets, around, choice)
    return report.end(run, targets, asked, as_json=as_json)


def _until(*, push: bool, stage: bool) -> Until:
    if push and stage:
        raise UsageError("`--push` and `--stage` exclude each other", hint="leave one out")
    return Until.PUBLISHED if push else Until.STAGED if stage else Until.TESTED


def _with_lock(project: Project, locked: bool | None) -> Project:  # noqa: FBT001 - of the command line
    """The project with images.lock, or without it. Raises UsageError if there is none to use."""
    if locked and project.lock is None:
        raise UsageError("`--locked` needs an images.lock", hint="`buildkit lock`")
    return project.with_lock(None) if locked is False else project
