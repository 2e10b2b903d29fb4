"""`buildkit build`."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import click

from buildkit import pipeline, recording, records
from buildkit.build import bake, bake_plan, base_logins, mounts
from buildkit.commands import options, report, summary
from buildkit.config import substitution
from buildkit.engine import engine
from buildkit.project import read as read_project
from buildkit.registry import docker_config
from buildkit.render import inputs, render
from buildkit.support.errors import ToolError, UsageError
from buildkit.system import console, files, gitignore
from buildkit.verify import verify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from buildkit.model.image import Built
    from buildkit.model.login import Login
    from buildkit.model.target import Rendered, Target
    from buildkit.project import Project
    from buildkit.publish.connect import Delivery


@click.command(
    epilog="\b\nExamples:\n  buildkit build 'sklearn*'\n  buildkit build --all --push\n"
    "  buildkit build basic-1.0-cpu-py311 --plan\n"
    "  buildkit build --all --substitute 'python:*=mirror.example/library/python:*'"
)
@options.SELECT
@options.ALL
@options.PROJECT
@click.option("--push", is_flag=True, help="Publish what passed its test.")
@click.option(
    "--stage",
    is_flag=True,
    help="Send what passed its test to the registries without a tag; `push` gives that later.",
)
@click.option("--plan", "only_plan", is_flag=True, help="Print the bake plan and do nothing.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first target that fails.")
@options.NETWORK
@click.option("--retest", is_flag=True, help="Test images also when they have passed before.")
@options.JOBS
@options.REGISTRY
@options.BUILD
@options.VERBOSE
def command(
    *,
    select: tuple[str, ...],
    everything: bool,
    file: Path,
    allow_outside: bool,
    dist: Path | None,
    as_json: bool,
    push: bool,
    stage: bool,
    only_plan: bool,
    fail_fast: bool,
    network: bool,
    retest: bool,
    jobs: int | None,
    registries: tuple[str, ...],
    substitute: tuple[substitution.Rule, ...],
    ca_bundle: Path | None,
    pip_config: Path | None,
    wheels: Path | None,
    verbose: bool,
) -> int:
    """Build the images of the targets that match SELECT, test each, and with --push publish it.

    An image is published only if it passed its test, under a tag that no other image has. A target
    that fails does not stop the others; all failures are told at the end.
    """
    if push and stage:
        raise UsageError("`--push` and `--stage` exclude each other", hint="leave one out")
    asked = summary.Asked(command="build", select=select)
    project = read_project(file, dist, renders=True, allow_outside=allow_outside)
    chosen = project.select(options.selection(select, everything=everything))
    targets = options.networked(chosen, network=network)
    source = project.templates
    rendered = render.render_all(targets, source)
    rules = (*substitute, *project.config.substitutes)
    around = mounts.Network(ca_bundle=ca_bundle, pip_config=pip_config, wheels=wheels)
    with ExitStack() as stack:
        brought = bake_plan.Inputs(
            runtime=source.runtime,
            nothing=source.nothing,
            substitutes=rules,
            secrets=stack.enter_context(mounts.mounted(around)),
            indexes=stack.enter_context(mounts.mirrored(targets, rules)),
            wheels=wheels,
        )
        the_plan = bake_plan.make(rendered, brought)
        if only_plan:
            click.echo(json.dumps(the_plan.document, indent=2))
            return 0
        docker = stack.enter_context(engine.connect())
        sends = push or stage
        since = recording.check(project) if sends else frozenset()
        there = stack.enter_context(_delivery(project, registries, docker)) if sends else None
        found, refused = _logins(targets, rules)
        environment = stack.enter_context(docker_config.beside(found))
        _record(project.records, rendered)
        made_from = inputs.digests(rendered, source.runtime)
        console.say(f"building {len(targets)} targets" if len(targets) > 1 else "building 1 target")
        options_of_bake = bake.Options(
            builder=docker.builder,
            containerd=docker.containerd,
            held={target.id: docker.held(number) for number, target in enumerate(targets)},
            jobs=jobs,
            fail_fast=fail_fast,
            verbose=verbose,
            environment=environment,
        )

        def work(target: Target, built: Built) -> pipeline.Outcome:
            docker.name(options_of_bake.held[target.id], target.image)
            traced = _traced(built, docker, made_from[target.id])
            outcome, verified = pipeline.test(
                traced, docker, project.records, verify.SMOKE, retest=retest
            )
            if there is None or verified is None:
                return outcome
            if stage:
                return pipeline.stage(
                    outcome, partial(there.publisher.stage, verified), project.records
                )
            publish = partial(there.publisher.publish, verified)
            return pipeline.publish(outcome, publish, project.records)

        out = {target.id for target, _ in refused}
        rest = [target for target in targets if target.id not in out]
        outcomes = pipeline.run(
            targets,
            chain(refused, bake.build(rest, the_plan, options_of_bake)),
            work,
            pipeline.Crew(jobs=jobs, fail_fast=fail_fast),
        )
        if there is None or stage:
            return report.end(targets, outcomes, as_json=as_json, asked=asked)
        published = pipeline.published(outcomes)
        moves = there.move_aliases(targets, published, recording.known(project))
        tell = partial(report.end, targets, outcomes, as_json=as_json, moves=moves, asked=asked)
        return recording.end(project, outcomes, there, moves.done, tell, since=since)


def _delivery(
    project: Project, registries: Sequence[str], docker: engine.Engine
) -> AbstractContextManager[Delivery]:
    from buildkit.publish import connect  # noqa: PLC0415 - boto3 takes long to load: only for a push

    connect.say_which(project.config, registries, options.registries_from())
    return connect.to(project.config, registries, project.targets, docker)


def _traced(built: Built, docker: engine.Engine, made_from: str) -> Built:
    """Add where it comes from: its inputs, and the base that the engine has."""
    if built.origin is None:
        return built
    base = docker.find(built.origin.base) or built.origin.base_digest
    return replace(built, origin=replace(built.origin, base_digest=base, inputs=made_from))


def _logins(
    targets: Sequence[Target], rules: Sequence[substitution.Rule]
) -> tuple[dict[str, Login], list[tuple[Target, ToolError]]]:
    """A login for each registry of ECR that a base comes from and docker has none for.

    Beside it the targets whose registry gives none, and why.
    """
    sources = {target: substitution.registry(target.base, rules) for target in targets}
    found, refused = base_logins.fresh(sources.values())
    return found, [(t, refused[host]) for t, host in sources.items() if host in refused]


def _record(where: records.Records, rendered: tuple[Rendered, ...]) -> None:
    gitignore.advise(where.folder)
    for each in rendered:
        where.check(each.target.id)
    for each in rendered:
        files.write_text(where.of(each.target.id, records.DOCKERFILE), each.dockerfile)
        where.write(records.RENDERED, each.target.id, each)
