"""`buildkit test`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildkit import pipeline
from buildkit.commands import options, report, summary
from buildkit.commands import samples as samples_of
from buildkit.contract import clauses, suite
from buildkit.engine import engine
from buildkit.model import names
from buildkit.model.features import Feature
from buildkit.model.target import Profile, Purpose, Samples
from buildkit.project import read as read_project
from buildkit.support.errors import UsageError
from buildkit.verify import judged, report_files, verify
from buildkit.verify import subject as subject_of
from buildkit.verify.verify import Depth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.commands.samples import Given
    from buildkit.engine.engine import Engine
    from buildkit.model.target import Built, Target
    from buildkit.project import Project


@click.command(
    epilog="\b\nExamples:\n"
    "  buildkit test 'sklearn*'\n"
    "  buildkit test my-image:latest\n"
    "  buildkit test my-server:latest --purpose inference --feature batch --html report.html\n"
    "  buildkit test my-image:latest --channel training=data --payload request.csv:text/csv\n"
    "  buildkit test my-image:latest --samples sklearn-1.7.2-cpu-py311 --profile smoke\n"
    "  buildkit test my-image:latest --clause RUN-08 --clause SERVE-02 --json"
)
@click.argument(
    "subject", metavar="IMAGE|SELECT...", nargs=-1, shell_complete=options.complete_targets
)
@options.ALL
@options.READ
@options.DIST
@click.option(
    "--purpose",
    type=click.Choice([each.value for each in Purpose if each is not Purpose.BOTH]),
    multiple=True,
    help="What IMAGE is for; `training` and `inference` may both be given.  [default: what "
    "images.toml says of it, else what it can start]",
)
@click.option(
    "--feature",
    type=click.Choice([each.value for each in Feature]),
    multiple=True,
    metavar="FEATURE",
    help="Test that IMAGE can also do this; may be given several times. One of "
    + ", ".join(each.value for each in Feature)
    + ".  [default: what images.toml and its labels promise]",
)
@click.option(
    "--samples",
    metavar="TARGET",
    shell_complete=options.complete_targets,
    help="Test IMAGE with the samples of this target, and for its purpose if none is said.",
)
@samples_of.options
@click.option(
    "--profile",
    type=click.Choice([each.value for each in Profile]),
    default=Profile.FULL.value,
    show_default=True,
    help="smoke: the clauses that gate a build. full: all that apply.",
)
@click.option(
    "--clause",
    metavar="ID",
    multiple=True,
    shell_complete=options.complete_clauses,
    callback=options.known_clauses,
    help="Only this clause; may be given several times.",
)
@click.option("--strict", is_flag=True, help="A broken recommendation is a failure, too.")
@options.NETWORK
@options.JSON
@options.JUNIT
@options.HTML
@click.option("--verbose", "-v", is_flag=True, help="Show each clause, not only the broken ones.")
@options.JOBS
def command(
    *,
    subject: tuple[str, ...],
    everything: bool,
    file: Path,
    allow_outside: bool,
    dist: Path | None,
    purpose: tuple[str, ...],
    feature: tuple[str, ...],
    samples: str | None,
    given: Given,
    profile: str,
    clause: tuple[str, ...],
    strict: bool,
    network: bool,
    as_json: bool,
    junit_file: Path | None,
    html_file: Path | None,
    verbose: bool,
    jobs: int | None,
) -> int:
    """Test images against the SageMaker contract: any IMAGE of the engine, or built targets.

    What matches a target of images.toml is a target; `push` asks for the record of its test.
    Anything else is an image. What an image cannot be tested on without samples is skipped; an
    image of which nothing was judged has not passed: exit code 8. `buildkit explain` tells what
    each clause demands.
    """
    asked = summary.Asked(command="test", select=subject)
    depth = Depth(profile=Profile(profile), only=clause, strict=strict, at_work=True)
    _refuse_unchecked(depth)
    report_files.refuse(junit_file, html_file)
    needed = not subject or samples or options.is_given("file")
    project = (
        read_project(file, dist, allow_outside=allow_outside) if needed or file.exists() else None
    )
    targets = () if project is None else _targets(project, subject, everything=everything)
    targets = options.networked(targets, network=network)
    if project is not None and targets:
        if purpose or samples or feature or given:
            _refuse_for_targets(targets)
        with engine.connect() as docker:
            outcomes = _test_targets(project, targets, docker, depth, jobs)
        code = report.end(
            targets, outcomes, as_json=as_json, clauses=True, verbose=verbose, asked=asked
        )
        report_files.write([each.report for each in outcomes if each.report], junit_file, html_file)
        return code
    image = _image(subject)
    itself = subject_of.itself(project, image)
    lender = project.select((samples,))[0] if project and samples else None
    like = lender or itself
    lent = Samples() if like is None else like.samples
    tested_with = samples_of.on_top(given, lent, Path.cwd()) if given else lent
    with engine.connect() as docker:
        wanted = subject_of.of(
            docker,
            image,
            itself=itself,
            lender=lender,
            purposes=purpose,
            features=[Feature(each) for each in feature],
            network=network,
            samples=tested_with,
        )
        tell = pipeline.progress(image)
        found = verify.report(wanted, docker.view(image).id, docker, depth, tell)
    if as_json:
        click.echo(json.dumps(report.verdict(found), indent=2))
    else:
        report.show(found, verbose=verbose)
    report_files.write([found], junit_file, html_file)
    return judged.end(found, image)


def _refuse_unchecked(depth: Depth) -> None:
    """Raise UsageError for a clause that this profile does not check, or if none can be checked.

    One that cannot be checked is skipped beside others.
    """
    smoke = {each.clause for each in suite.checks() if each.smoke}
    unchecked = {each: clauses.clauses()[each].unchecked for each in depth.only}
    if unchecked and all(unchecked.values()):
        told = "; ".join(f"{each} cannot be checked: {why}" for each, why in unchecked.items())
        raise UsageError(told, hint=f"`buildkit explain {' '.join(unchecked)}`")
    for each, why in unchecked.items():
        if depth.profile is Profile.SMOKE and each not in smoke and not why:
            raise UsageError(f"{each} is not in the profile smoke", hint="leave out `--profile`")


def _targets(project: Project, selection: Sequence[str], *, everything: bool) -> Sequence[Target]:
    patterns = options.selection(selection, everything=everything)
    if any(names.means(p, each.name, each.id) for each in project.targets for p in patterns):
        return project.select(patterns)
    return ()


def _test_targets(
    project: Project, targets: Sequence[Target], docker: Engine, depth: Depth, jobs: int | None
) -> Sequence[pipeline.Outcome]:
    def work(_target: Target, built: Built) -> pipeline.Outcome:
        return pipeline.test(built, docker, project.records, depth, retest=True)[0]

    items = pipeline.each(targets, project.built)
    return pipeline.run(targets, items, work, pipeline.Crew(jobs=jobs))


def _refuse_for_targets(targets: Sequence[Target]) -> None:
    first = targets[0]
    raise UsageError(
        "`--purpose`, `--feature`, `--samples` and samples are for an image; a target has them in "
        "images.toml",
        hint="leave them out, or name its image: "
        f"`buildkit test {first.image} --samples {first.id} …`",
    )


def _image(subject: Sequence[str]) -> str:
    """The image that is to be tested. Raises UsageError."""
    if len(subject) != 1:
        raise UsageError(
            "one image at a time",
            hint="`buildkit test IMAGE`, or `buildkit test --all` for targets",
        )
    try:
        return names.image(subject[0])
    except ValueError as error:
        raise UsageError(str(error), hint="`buildkit list` shows the targets") from error
