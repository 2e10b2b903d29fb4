"""`buildkit test`."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

from buildkit import engine, names, options, pipeline, verify
from buildkit.commands import report
from buildkit.contract.kit import Subject
from buildkit.errors import Exit, NothingSelectedError, UsageError
from buildkit.model import Purpose, Samples
from buildkit.project import read as read_project

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from buildkit.model import Built, Target
    from buildkit.project import Project


@click.command(
    epilog="\b\nExamples:\n  buildkit test 'sklearn*'\n  buildkit test my-image:latest\n"
    "  buildkit test my-server:latest --purpose inference --json\n"
    "  buildkit test my-image:latest --samples sklearn-1.7.2-cpu-py311"
)
@click.argument(
    "subject", metavar="IMAGE|SELECT...", nargs=-1, shell_complete=options.complete_targets
)
@options.ALL
@options.PROJECT
@click.option(
    "--purpose",
    type=click.Choice([Purpose.TRAINING.value, Purpose.INFERENCE.value]),
    multiple=True,
    help="What IMAGE is for; may be given twice.  [default: both]",
)
@click.option(
    "--samples",
    metavar="TARGET",
    shell_complete=options.complete_targets,
    help="Test IMAGE with the samples of this target.",
)
@options.JOBS
def command(
    *,
    subject: tuple[str, ...],
    everything: bool,
    file: Path,
    dist: Path | None,
    as_json: bool,
    purpose: tuple[str, ...],
    samples: str | None,
    jobs: int | None,
) -> int:
    """Test images against the SageMaker contract: any IMAGE of the engine, or built targets.

    What matches a target of images.toml is a target; `push` asks for the record of its test.
    Anything else is an image. What an image cannot be tested on without samples is skipped.
    """
    project = read_project(file, dist) if not subject or samples or file.exists() else None
    targets = () if project is None else _targets(project, subject, everything=everything)
    if project is not None and targets:
        if purpose or samples:
            raise UsageError(
                "`--purpose` and `--samples` are for an image; a target has them in images.toml",
                hint="leave them out, or name an image",
            )
        return _test_targets(project, targets, as_json=as_json, jobs=jobs)
    if len(subject) != 1:
        raise UsageError("one image at a time", hint="`buildkit test IMAGE`")
    try:
        names.image(subject[0])
    except ValueError as error:
        raise UsageError(str(error), hint="`buildkit list` shows the targets") from error
    asked = Purpose(purpose[0]) if len(set(purpose)) == 1 else Purpose.BOTH
    given = project.select((samples,))[0].samples if project and samples else Samples()
    return _test_image(subject[0], asked, given, as_json=as_json)


def _targets(project: Project, selection: Sequence[str], *, everything: bool) -> Sequence[Target]:
    patterns = options.selection(selection, everything=everything)
    if any(fnmatchcase(target.id, name) for target in project.targets for name in patterns):
        return project.select(patterns)
    return ()


def _test_image(image: str, purpose: Purpose, samples: Samples, *, as_json: bool) -> Exit:
    docker = engine.connect()
    if docker.find(image) is None:
        raise NothingSelectedError(
            f"`{image}` is no target of images.toml and no image of the engine",
            hint=f"`buildkit list` shows the targets; `docker pull {image}` fetches an image",
        )
    view = docker.view(image)
    subject = Subject(image=image, architecture=view.architecture, purpose=purpose, samples=samples)
    try:
        found = verify.report(subject, view.id, docker)
    finally:
        docker.sweep()
    if as_json:
        click.echo(json.dumps(report.verdict(found), indent=2))
    else:
        report.show(found)
    return Exit.DONE if found.passed else Exit.CONTRACT


def _test_targets(
    project: Project, targets: Sequence[Target], *, as_json: bool, jobs: int | None
) -> Exit:
    docker = engine.connect()

    def work(_target: Target, built: Built) -> pipeline.Outcome:
        return pipeline.test(built, docker, project.records, retest=True)[0]

    crew = pipeline.Crew(interrupt=docker.interrupt, jobs=jobs)
    outcomes = pipeline.run(targets, pipeline.each(targets, project.built), work, crew)
    return report.end(targets, outcomes, as_json=as_json, clauses=True)
