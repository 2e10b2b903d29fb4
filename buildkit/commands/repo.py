"""`buildkit repo`."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING

import click

from buildkit.commands import options
from buildkit.ecr import desired, places, reconcile
from buildkit.ecr.reconcile import State
from buildkit.ledger import history, ledger
from buildkit.project import read as read_project
from buildkit.support.errors import Exit, NothingSelectedError, worst
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from buildkit.ecr.drift import Change, Wanted
    from buildkit.ecr.places import Place
    from buildkit.ecr.reconcile import Finding
    from buildkit.project import Project


@click.group(epilog="\b\nExamples:\n  buildkit repo plan\n  buildkit repo apply 'sklearn*'")
def command() -> None:
    """Keep the repositories of ECR as images.toml says, in each registry of `[registry]`.

    What is not tagged `managed-by=buildkit` belongs to somebody else, and is left as it is.
    """


@command.command(
    short_help="Show what differs, and change nothing.",
    epilog="\b\nExamples:\n  buildkit repo plan\n  buildkit repo plan 'sklearn*' --json\n"
    "  buildkit repo plan --check",
)
@options.SELECT
@options.READ
@options.JSON
@options.REGISTRY
@click.option("--check", is_flag=True, help="End with 7 if anything differs.")
def plan(
    *,
    select: tuple[str, ...],
    file: Path,
    allow_outside: bool,
    as_json: bool,
    registries: tuple[str, ...],
    check: bool,
) -> int:
    """Show what `repo apply` would do to the repositories of the targets that match SELECT.

    Nothing is changed. Without SELECT, every repository of the file.
    """
    project = read_project(file, None, allow_outside=allow_outside)
    where, wanted = _asked(project, select, registries)
    findings = reconcile.plan(where, wanted)
    failed = _tell(findings, as_json=as_json)
    differ = check and any(each.differs for each in findings)
    return worst([*failed, *([Exit.DRIFT] if differ else [])])


@command.command(
    short_help="Create what is missing, and mend what differs.",
    epilog="\b\nExamples:\n  buildkit repo apply\n  buildkit repo apply 'sklearn*' --adopt sklearn",
)
@options.SELECT
@options.READ
@options.JSON
@options.REGISTRY
@click.option(
    "--adopt",
    metavar="NAME",
    multiple=True,
    help="Take over this repository, though it is not ours. May be given several times.",
)
def apply(
    *,
    select: tuple[str, ...],
    file: Path,
    allow_outside: bool,
    as_json: bool,
    registries: tuple[str, ...],
    adopt: tuple[str, ...],
) -> int:
    """Create and mend the repositories of the targets that match SELECT.

    Without SELECT, every repository of the file. The same command again changes nothing. What can
    only be settled when a repository is created is told, and ends with 7.
    """
    project = read_project(file, None, allow_outside=allow_outside)
    where, wanted = _asked(project, select, registries)
    known = [each.name for each in wanted]
    if unknown := [name for name in adopt if name not in known]:
        raise NothingSelectedError(
            f"`--adopt {unknown[0]}`: no selected target is in a repository of this name",
            hint=f"name any of {', '.join(f'`{name}`' for name in known)}",
        )
    findings = reconcile.apply(where, wanted, adopt=adopt)
    failed = _tell(findings, as_json=as_json)
    differ = any(each.differs for each in findings)
    return worst([*failed, *([Exit.DRIFT] if differ else [])])


def _asked(
    project: Project, select: tuple[str, ...], registries: tuple[str, ...]
) -> tuple[tuple[Place, ...], list[Wanted]]:
    names = {target.repository for target in project.select(select or ("*",))}
    where = places.places(project.config.registry, registries)
    releases = ledger.beside(project.config.path).read()
    every = desired.wanted(
        project.config, project.targets, lambda name: history.exact_tags(releases, name)
    )
    return where, [each for each in every if each.name in names]


def _tell(findings: Sequence[Finding], *, as_json: bool) -> list[Exit]:
    """Failures on stderr, the findings on stdout. Returns the codes of the failures."""
    failed = [(each, each.error) for each in findings if each.error is not None]
    for (host, message, hint), group in groupby(
        failed, key=lambda pair: (pair[0].place.host, pair[1].message, pair[1].hint)
    ):
        names = ", ".join(each.name for each, _ in group)
        console.fail(f"{host}: {names}: {message}", hint=hint)
    if failed:
        console.say(f"{len(failed)} of {len(findings)} repositories failed", fg="red")
    if as_json:
        click.echo(json.dumps({"repositories": list(map(_facts, findings))}, indent=2))
    else:
        for each in findings:
            if each.error is None:
                click.echo("\n".join(_lines(each)))
    return [error.code for _, error in failed]


def _lines(finding: Finding) -> Iterable[str]:
    yield f"{finding.place.host}/{finding.name}  {finding.state.value}"
    if finding.state is State.NOT_OURS:
        yield f"  `buildkit repo apply --adopt {finding.name}` would take it over, and change"
    for change in (*finding.changes, *finding.left):
        yield f"  {change}"


def _facts(finding: Finding) -> dict[str, object]:
    facts: dict[str, object] = {
        "registry": finding.place.host,
        "region": finding.place.region,
        "name": finding.name,
        "state": finding.state.value,
        "changes": [_change(each) for each in (*finding.changes, *finding.left)],
    }
    if finding.error is not None:
        error = finding.error
        facts["error"] = {"code": error.code, "message": error.message, "hint": error.hint}
    return facts


def _change(change: Change) -> dict[str, object]:
    return {
        "what": change.aspect.value,
        "before": change.before,
        "after": change.after,
        "mendable": change.fixable,
    }
