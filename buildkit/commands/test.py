"""`buildkit test`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from buildkit import pipeline
from buildkit.commands import complete, options, subjects, summary
from buildkit.commands import samples as samples_of
from buildkit.contract import clauses, suite
from buildkit.engine import engine
from buildkit.model.features import Feature
from buildkit.model.target import Profile, Purpose, Samples
from buildkit.support.errors import UsageError
from buildkit.verify import gate, judged, report_files, verify
from buildkit.verify import subject as subject_of
from buildkit.verify.verify import Depth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.commands.samples import Given
    from buildkit.commands.scope import Scope
    from buildkit.model.target import Target
    from buildkit.project import Project
    from buildkit.support.errors import Exit


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The command line of `buildkit test`."""

    scope: Scope
    purpose: tuple[str, ...]
    feature: tuple[str, ...]
    samples: str | None
    given: Given
    profile: str
    clause: tuple[str, ...]
    strict: bool
    as_json: bool
    junit_file: Path | None
    html_file: Path | None
    verbose: bool
    jobs: int | None

    @property
    def depth(self) -> Depth:
        return Depth(
            profile=Profile(self.profile), only=self.clause, strict=self.strict, at_work=True
        )


@click.command(
    epilog="\b\nExamples:\n"
    "  buildkit test 'sklearn*'\n"
    "  buildkit test my-image:latest\n"
    "  buildkit test my-server:latest --purpose inference --feature batch --html report.html\n"
    "  buildkit test my-image:latest --channel training=data --payload request.csv:text/csv\n"
    "  buildkit test my-image:latest --samples sklearn-1.7.2-cpu-py311 --profile smoke\n"
    "  buildkit test my-image:latest --clause RUN-08 --clause SERVE-02 --json"
)
@click.argument("select", metavar="IMAGE|SELECT...", nargs=-1, shell_complete=complete.targets)
@options.ALL
@options.READ
@options.DIST
@click.option(
    "--purpose",
    type=click.Choice([each.value for each in Purpose if each is not Purpose.BOTH]),
    multiple=True,
    help="Test IMAGE for this purpose; `training` and `inference` can be combined.  [default: as "
    "in images.toml, else what the image can start]",
)
@click.option(
    "--feature",
    type=click.Choice([each.value for each in Feature]),
    multiple=True,
    metavar="FEATURE",
    help="Test this feature of IMAGE, too. Repeatable. One of "
    + ", ".join(each.value for each in Feature)
    + ".  [default: as in images.toml and the labels of the image]",
)
@click.option(
    "--samples",
    metavar="TARGET",
    shell_complete=complete.targets,
    help="Test IMAGE with the samples of this target and, without --purpose, for its purpose.",
)
@samples_of.OPTIONS
@click.option(
    "--profile",
    type=click.Choice([each.value for each in Profile]),
    default=Profile.FULL.value,
    show_default=True,
    help="Check only the clauses that gate a build (smoke), or all that apply (full).",
)
@click.option(
    "--clause",
    metavar="ID",
    multiple=True,
    shell_complete=complete.clauses,
    callback=options.known_clauses,
    help="Check only this clause. Repeatable.",
)
@options.flag("--strict", "Treat warnings as failures.")
@options.NETWORK
@options.JSON
@options.JUNIT
@options.HTML
@options.flag("--verbose", "Show passed and skipped clauses, too.", "-v")
@options.JOBS
def command(**values: Any) -> int:
    """Test images against the SageMaker contract: any IMAGE of the engine, or built targets.

    A name that matches a target of images.toml selects targets; `push` requires their recorded
    test. Any other name is an image. Clauses that need missing samples are skipped. An image that
    was never seen to train, serve or process is not judged: exit code 8. `buildkit explain` shows
    what each clause demands.
    """
    arguments = Arguments(**values)
    asked = summary.Asked(command="test", select=arguments.scope.select)
    _refuse_unchecked(arguments.depth)
    report_files.refuse(arguments.junit_file, arguments.html_file)
    project = _project(arguments)
    targets = () if project is None else subjects.targets(project, arguments.scope)
    if project is not None and targets:
        return _end_of_targets(project, targets, arguments, asked)
    return _end_of_image(project, arguments)


def _project(arguments: Arguments) -> Project | None:
    """The project, if there is one, or if the command line needs one."""
    scope = arguments.scope
    needed = not scope.select or arguments.samples or options.is_given("file")
    return scope.project() if needed or scope.file.exists() else None


def _end_of_targets(
    project: Project, targets: Sequence[Target], arguments: Arguments, asked: summary.Asked
) -> Exit:
    """Test built targets, and report how each ended."""
    if arguments.purpose or arguments.samples or arguments.feature or arguments.given:
        first = targets[0]
        raise UsageError(
            "`--purpose`, `--feature`, `--samples` and options of samples only apply to an IMAGE; "
            "targets take them from images.toml",
            hint="leave them out, or name the image: "
            f"`buildkit test {first.image} --samples {first.id} …`",
        )
    with engine.connect() as docker:
        outcomes = pipeline.test(project, targets, docker, arguments.depth, arguments.jobs)
    run, as_json = pipeline.Run(outcomes=outcomes), arguments.as_json
    code = summary.end(
        run, targets, asked, as_json=as_json, clauses=True, verbose=arguments.verbose
    )
    reports = [each.report for each in outcomes if each.report]
    report_files.write(reports, arguments.junit_file, arguments.html_file)
    return code


def _end_of_image(project: Project | None, arguments: Arguments) -> Exit:
    """Test one image of the engine, and report how it ended."""
    missing = None if project else arguments.scope.file
    others = ", or `buildkit test --all` for targets"
    image = subjects.image(arguments.scope.select, missing, "test", others)
    itself = subject_of.itself(project, image)
    lender = project.select((arguments.samples,))[0] if project and arguments.samples else None
    source = lender or itself
    samples = source.samples if source else Samples()
    if arguments.given:
        samples = samples_of.on_top(arguments.given, samples, Path.cwd())
    with engine.connect() as docker:
        wanted = subject_of.of(
            docker,
            image,
            itself=itself,
            lender=lender,
            purposes=arguments.purpose,
            features=[Feature(each) for each in arguments.feature],
            network=arguments.scope.network,
            samples=samples,
        )
        tell = gate.progress(image)
        found = verify.report(wanted, docker.view(image).id, docker, arguments.depth, tell)
    if arguments.as_json:
        click.echo(json.dumps(summary.verdict(found), indent=2))
    else:
        summary.show(found, verbose=arguments.verbose)
    report_files.write([found], arguments.junit_file, arguments.html_file)
    return judged.end(found, image)


def _refuse_unchecked(depth: Depth) -> None:
    """Raise UsageError for a clause that the profile leaves out, or if no clause has a check.

    A clause without a check is skipped if others are asked for, too.
    """
    smoke = {each.clause for each in suite.checks() if each.smoke}
    unchecked = {each: clauses.clauses()[each].unchecked for each in depth.only}
    if unchecked and all(unchecked.values()):
        reasons = (f"{each} cannot be checked: {why}" for each, why in unchecked.items())
        raise UsageError("; ".join(reasons), hint=f"`buildkit explain {' '.join(unchecked)}`")
    for each, why in unchecked.items():
        if depth.profile is Profile.SMOKE and each not in smoke and not why:
            raise UsageError(
                f"clause {each} is not in the profile `smoke`", hint="leave out `--profile`"
            )
