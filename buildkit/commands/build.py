"""`buildkit build`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from buildkit import pipeline
from buildkit.commands import options, output, summary
from buildkit.pipeline import Until
from buildkit.plan.known import State
from buildkit.support import tables
from buildkit.support.errors import UsageError

if TYPE_CHECKING:
    from buildkit.commands.scope import Scope
    from buildkit.config.network import Network
    from buildkit.plan.plan import Plan
    from buildkit.project import Project


WORDS = {
    State.PUBLISHED: "published already",
    State.TESTED: "built and tested here",
    State.BUILT: "built here",
    State.TODO: "to do",
    State.REFUSED: "refused",
}
"""What people read for each state."""


@click.command(
    epilog="\b\nExamples:\n  buildkit build 'sklearn*'\n  buildkit build --all --push\n"
    "  buildkit build --all --push --plan\n"
    "  buildkit build --all --substitute 'python:*=mirror.example/library/python:*'"
)
@options.SELECT
@options.ALL
@options.PROJECT
@options.flag("--push", "Publish the images that pass their test.")
@options.flag(
    "--stage", "Upload tested images by digest, without a tag; run `buildkit push` to tag them."
)
@options.flag(
    "--plan", "Print what would be done for each target, and why, and do nothing.", "only_plan"
)
@options.flag("--bake-plan", "Print the plan for `docker buildx bake`, and do nothing.")
@click.option(
    "--locked/--unlocked",
    default=None,
    help="Build exactly what images.lock pins; or ignore the file, and build the newest packages "
    "and bases.  [default: --locked if images.lock exists]",
)
@options.flag("--fail-fast", "Stop at the first target that fails.")
@options.flag("--force", "Build, test and publish also what is done already.")
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
    bake_plan: bool,
    locked: bool | None,
    build_network: Network,
    **choices: Any,
) -> int:
    """Build the images of the targets that match SELECT, test each, and with --push publish them.

    What is done already is skipped: an image is built again if one of its inputs has changed, and
    tested again if its test has. An image is published only if it passed its test, under a tag that
    no other image has. A target that fails does not stop the others; all failures are listed at the
    end.
    """
    choice = pipeline.Choice(
        until=_until(push=push, stage=stage),
        given_by=options.registries_from(),
        **choices,
    )
    asked = summary.Asked(command="build", select=scope.select)
    project = _with_lock(scope.project(renders=True), locked)
    targets, around = scope.targets(project), build_network.with_rules(project.config.substitutes)
    if bake_plan:
        with pipeline.baked(project, targets, around) as baked:
            click.echo(json.dumps(baked.document, indent=2))
        return 0
    if only_plan:
        planned = pipeline.plan(project, targets, around, choice)
        output.show(_facts(planned), _lines(planned), as_json=as_json)
        return 0
    run = pipeline.build(project, targets, around, choice)
    return summary.end(run, targets, asked, as_json=as_json)


def _facts(plan: Plan) -> dict[str, object]:
    """What `--plan --json` prints."""
    found = [
        {
            "id": each.target.id,
            "state": each.state.value,
            "reasons": each.reasons,
            "identity": each.identity.digest,
            "digest": each.found.digest if each.found else None,
        }
        for each in plan.decisions
    ]
    return {"targets": found}


def _lines(plan: Plan) -> list[str]:
    rows = [(e.target.id, WORDS[e.state], "; ".join(e.reasons)) for e in plan.decisions]
    return tables.aligned([("TARGET", "STATE", "REASON"), *rows])


def _until(*, push: bool, stage: bool) -> Until:
    if push and stage:
        raise UsageError("`--push` and `--stage` exclude each other", hint="leave one out")
    return Until.PUBLISHED if push else Until.STAGED if stage else Until.TESTED


def _with_lock(project: Project, locked: bool | None) -> Project:  # noqa: FBT001 - of the command line
    """The project with images.lock, or without it. Raises UsageError if there is none to use."""
    if locked and project.lock is None:
        raise UsageError("`--locked` needs an images.lock", hint="`buildkit lock`")
    return project.with_lock(None) if locked is False else project
