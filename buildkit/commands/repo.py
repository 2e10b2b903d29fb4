"""`buildkit repo`."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING

import click

from buildkit.commands import options
from buildkit.ecr import places, reconcile
from buildkit.ecr.reconcile import State
from buildkit.ecr.wanted import repositories
from buildkit.ledger import history
from buildkit.publish import connect
from buildkit.support.amounts import count
from buildkit.support.errors import Exit, NothingSelectedError, worst
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from buildkit.commands.scope import Scope
    from buildkit.ecr.drift import Change
    from buildkit.ecr.places import Place
    from buildkit.ecr.reconcile import Finding
    from buildkit.ecr.wanted import Wanted


@click.group(
    cls=options.InOrder,
    epilog="\b\nExamples:\n  buildkit repo plan\n  buildkit repo apply 'sklearn*'",
)
def command() -> None:
    """Create ECR repositories, and correct their settings, as images.toml says.

    This covers each registry of `[registry]`. A repository without the tag `managed-by=buildkit`
    belongs to somebody else, and is not changed.
    """


@command.command(
    short_help="Show the changes that `apply` would make.",
    epilog="\b\nExamples:\n  buildkit repo plan\n  buildkit repo plan 'sklearn*' --json\n"
    "  buildkit repo plan --check",
)
@options.SELECT
@options.READ
@options.JSON
@options.REGISTRY
@options.flag("--check", "Exit with 7 if a repository is missing or differs.")
def plan(*, scope: Scope, as_json: bool, registries: tuple[str, ...], check: bool) -> int:
    """Show the changes that `repo apply` would make for the targets that match SELECT.

    Nothing is changed. Without SELECT, every repository of images.toml is checked.
    """
    where, wanted = _asked(scope, registries)
    return _end(reconcile.plan(where, wanted), as_json=as_json, drift=check)


@command.command(
    short_help="Create missing repositories, and correct the settings of others.",
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
    help="Take over this repository, which buildkit did not create. Repeatable.",
)
def apply(
    *, scope: Scope, as_json: bool, registries: tuple[str, ...], adopt: tuple[str, ...]
) -> int:
    """Create the repositories of the targets that match SELECT, and correct their settings.

    Without SELECT, this covers every repository of images.toml. A second run changes nothing.
    Settings that can only be chosen when a repository is created are reported, with exit code 7.
    """
    where, wanted = _asked(scope, registries)
    known = [each.name for each in wanted]
    if unknown := [name for name in adopt if name not in known]:
        raise NothingSelectedError(
            f"`--adopt {unknown[0]}`: no selected target has a repository of this name",
            hint=f"the repositories are: {', '.join(f'`{name}`' for name in known)}",
        )
    return _end(reconcile.apply(where, wanted, adopt=adopt), as_json=as_json, drift=True)


def _asked(scope: Scope, registries: tuple[str, ...]) -> tuple[tuple[Place, ...], list[Wanted]]:
    project = scope.project()
    names = {target.repository for target in scope.targets_or_all(project)}
    where = places.places(project.config.registry, registries)
    connect.say_which(project.config, registries, options.registries_from())
    releases = scope.ledger().read()
    every = repositories(
        project.config, project.targets, lambda name: history.exact_tags(releases, name)
    )
    return where, [each for each in every if each.name in names]


def _end(findings: Sequence[Finding], *, as_json: bool, drift: bool) -> Exit:
    """Print failures on stderr and findings on stdout. Returns the exit code.

    With `drift`, repositories that differ from images.toml have an exit code of their own.
    """
    failed = [(each, each.error) for each in findings if each.error is not None]
    for (host, message, hint), group in groupby(
        failed, key=lambda pair: (pair[0].place.host, pair[1].message, pair[1].hint)
    ):
        names = ", ".join(each.name for each, _ in group)
        console.fail(f"{host}: {names}: {message}", hint=hint)
    if failed:
        console.say(f"{len(failed)} of {count(len(findings), 'repository')} failed", fg="red")
    if as_json:
        click.echo(json.dumps({"repositories": list(map(_facts, findings))}, indent=2))
    else:
        for each in findings:
            if each.error is None:
                click.echo("\n".join(_lines(each)))
    differ = drift and any(each.differs for each in findings)
    return worst([*(error.code for _, error in failed), *([Exit.DRIFT] if differ else [])])


def _lines(finding: Finding) -> Iterable[str]:
    yield f"{finding.place.host}/{finding.name}  {finding.state.value}"
    if finding.state is State.NOT_MANAGED:
        adopt = f"buildkit repo apply --adopt {finding.name}"
        yield f"  `{adopt}` would take over this repository, and change"
    for change in finding.changes:
        yield f"  {change}"


def _facts(finding: Finding) -> dict[str, object]:
    facts: dict[str, object] = {
        "registry": finding.place.host,
        "region": finding.place.region,
        "name": finding.name,
        "state": finding.state.value,
        "changes": [_change(each) for each in finding.changes],
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
        "fixable": change.fixable,
    }
