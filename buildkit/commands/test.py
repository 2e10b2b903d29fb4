"""`buildkit test`."""

from __future__ import annotations

import json
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

from buildkit import console, engine, options, pipeline, records, verify
from buildkit.commands import report
from buildkit.contract.kit import Subject
from buildkit.errors import Exit, ToolError, UsageError
from buildkit.model import Built, Purpose, Samples, Status
from buildkit.project import read as read_project

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from buildkit.model import Report, Target
    from buildkit.project import Project

COLOURS = {Status.PASS: "green", Status.FAIL: "red", Status.WARN: "yellow", Status.SKIP: None}


@click.command(
    epilog="\b\nExamples:\n  buildkit test 'sklearn*'\n  buildkit test my-image:latest\n"
    "  buildkit test my-server:latest --purpose inference --json"
)
@click.argument("subject", metavar="IMAGE|SELECT...", nargs=-1)
@options.ALL
@options.PROJECT
@click.option(
    "--purpose",
    type=click.Choice([purpose.value for purpose in Purpose]),
    default=Purpose.BOTH.value,
    show_default=True,
    help="What IMAGE is for; a target says it in images.toml.",
)
@options.JOBS
def command(
    *,
    subject: tuple[str, ...],
    everything: bool,
    file: Path,
    dist: Path | None,
    as_json: bool,
    purpose: str,
    jobs: int | None,
) -> int:
    """Test images against the SageMaker contract: any IMAGE of the engine, or built targets.

    What matches a target of images.toml is a target, and its record is what `push` asks for.
    Anything else is an image.
    """
    if not subject or file.exists():
        project = read_project(file, dist)
        names = options.selection(subject, everything=everything)
        if any(fnmatchcase(target.id, name) for target in project.targets for name in names):
            return _test_targets(project, project.select(names), as_json=as_json, jobs=jobs)
    if len(subject) != 1:
        raise UsageError("one image at a time", hint="`buildkit test IMAGE`")
    return _test_image(subject[0], Purpose(purpose), as_json=as_json)


def _test_image(image: str, purpose: Purpose, *, as_json: bool) -> Exit:
    docker = engine.connect()
    if not docker.has(image):
        raise ToolError(
            f"`{image}` is no target of images.toml and no image of the engine",
            hint=f"`buildkit list` shows the targets; `docker pull {image}` fetches an image",
        )
    view = docker.view(image)
    subject = Subject(
        image=image, architecture=view.architecture, purpose=purpose, samples=Samples()
    )
    try:
        found = verify.report(subject, view.id, docker)
    finally:
        docker.sweep()
    _show(found, as_json=as_json)
    return Exit.DONE if found.passed else Exit.CONTRACT


def _test_targets(
    project: Project, targets: Sequence[Target], *, as_json: bool, jobs: int | None
) -> Exit:
    docker = engine.connect()

    def work(_target: Target, built: Built) -> pipeline.Outcome:
        return pipeline.test(built, docker, project.records, retest=True)[0]

    crew = pipeline.Crew(interrupt=docker.interrupt, jobs=jobs)
    outcomes = pipeline.run(targets, _built(project.records, targets), work, crew)
    if not as_json:
        for outcome in outcomes:
            if outcome.report is not None:
                console.say(outcome.target.id, bold=True)
                _show(outcome.report, as_json=False)
    return report.end(targets, outcomes, as_json=as_json)


def _built(
    where: records.Records, targets: Sequence[Target]
) -> Iterator[tuple[Target, Built | ToolError]]:
    for target in targets:
        try:
            built = where.find(records.BUILT, target.id)
        except ToolError as error:
            yield target, error
            continue
        if built is None:
            yield target, ToolError("it is not built", hint=f"`buildkit build {target.id}`")
        else:
            yield target, built


def _show(found: Report, *, as_json: bool) -> None:
    if as_json:
        verdict = "pass" if found.passed else "fail"
        clauses = [asdict(each) for each in found.clauses]
        document = {
            "image": found.image,
            "digest": found.digest,
            "profile": found.profile,
            "verdict": verdict,
            "clauses": clauses,
        }
        click.echo(json.dumps(document, indent=2))
        return
    order = (Status.FAIL, Status.WARN, Status.SKIP, Status.PASS)
    for each in sorted(found.clauses, key=lambda clause: order.index(clause.status)):
        console.say(f"{each.status.value:<5} {each.id:<9} {each.title}", fg=COLOURS[each.status])
        if each.message:
            console.say("      " + each.message.replace("\n", "\n      "))
        if each.status in (Status.FAIL, Status.WARN):
            console.say(f"      fix: {each.hint}", fg="cyan")
