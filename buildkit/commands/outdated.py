"""`buildkit outdated`."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING

import click

from buildkit.commands import options
from buildkit.model import names
from buildkit.outdated import outdated
from buildkit.outdated.finding import Kind
from buildkit.support import tables
from buildkit.support.amounts import first_of
from buildkit.support.errors import Exit, UsageError
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from buildkit.commands.scope import Scope
    from buildkit.config.network import Network
    from buildkit.outdated.finding import Finding

TITLES = {
    Kind.BASE: "BASE IMAGE",
    Kind.PACKAGE: "PACKAGE",
    Kind.FRAMEWORK: "FRAMEWORK",
    Kind.PREBUILT: "AWS IMAGE",
}
COLUMNS = ("TARGETS", "NOW", "NEWEST")
ABSENT = "none"


@click.command(
    epilog="\b\nExamples:\n  buildkit outdated\n  buildkit outdated 'sklearn*' --json\n"
    "  buildkit outdated --check\n  buildkit outdated --markdown > outdated.md"
)
@options.SELECT
@options.READ
@options.BUILD
@options.JSON
@options.flag("--markdown", "Print Markdown tables, for a pull request.")
@options.flag("--check", "Exit with 7 if something is outdated.")
def command(
    *, scope: Scope, build_network: Network, as_json: bool, markdown: bool, check: bool
) -> int:
    """List what is newer than what the targets that match SELECT have; without SELECT, all targets.

    Base images are compared with images.lock, or else with the last release; packages with
    images.lock; frameworks with the versions in images.toml; AWS's images with buildkit's own data.
    Nothing is changed.
    """
    if as_json and markdown:
        raise UsageError("`--json` and `--markdown` exclude each other", hint="leave one out")
    project = scope.project(renders=True)
    network = build_network.with_rules(project.config.substitutes)
    targets = scope.targets_or_all(project)
    found = outdated.find(project, targets, scope.ledger().read(), network)
    _say_unknown(found)
    newer = [each for each in found if each.unknown is None]
    if as_json:
        click.echo(json.dumps(_document(found), indent=2))
    elif found:
        click.echo("\n".join(_markdown(found) if markdown else _table(found)))
    else:
        console.say("nothing is outdated")
    return Exit.DRIFT if check and newer else Exit.DONE


def _say_unknown(findings: Iterable[Finding]) -> None:
    """Say each reason once on stderr."""
    unknown: dict[str, list[str]] = {}
    for each in findings:
        if each.unknown is not None:
            unknown.setdefault(each.unknown, []).append(each.name)
    for why, concerned in unknown.items():
        console.say(f"unknown: {first_of(concerned, 'other')}: {why}", fg="yellow")


def _document(findings: Sequence[Finding]) -> dict[str, object]:
    return {
        "outdated": [
            {**_named(each), "newest": each.newest} for each in findings if each.unknown is None
        ],
        "unknown": [
            {**_named(each), "reason": each.unknown}
            for each in findings
            if each.unknown is not None
        ],
    }


def _named(finding: Finding) -> dict[str, object]:
    return {
        "kind": finding.kind.value,
        "name": finding.name,
        "targets": finding.targets,
        "now": finding.now,
    }


def _table(findings: Sequence[Finding]) -> Iterator[str]:
    """One table for all kinds, with a headline and an empty line between them."""
    parts = [[(TITLES[kind], *COLUMNS), *rows] for kind, rows in _rows(findings)]
    lines = iter(tables.aligned([row for part in parts for row in part]))
    for number, part in enumerate(parts):
        if number:
            yield ""
        for _ in part:
            yield next(lines)


def _markdown(findings: Sequence[Finding]) -> Iterator[str]:
    for number, (kind, rows) in enumerate(_rows(findings)):
        if number:
            yield ""
        title = TITLES[kind].capitalize() if kind is not Kind.PREBUILT else TITLES[kind]
        yield _line(title, *(each.capitalize() for each in COLUMNS))
        yield _line(*("---" for _ in range(len(COLUMNS) + 1)))
        yield from (_line(f"`{name}`", *rest) for name, *rest in rows)


def _line(*cells: str) -> str:
    return f"| {' | '.join(each.replace('|', '&#124;') for each in cells)} |"


def _rows(findings: Sequence[Finding]) -> Iterator[tuple[Kind, list[tuple[str, ...]]]]:
    for kind, group in groupby(findings, key=lambda each: each.kind):
        yield kind, [_row(each) for each in group]


def _row(finding: Finding) -> tuple[str, ...]:
    newest = ", ".join(
        each[: names.SHORT_DIGEST] if _is_digest(each) else each for each in finding.newest
    )
    now = finding.now or (ABSENT if finding.unknown is None else "")
    return (
        finding.name,
        first_of(finding.targets, "other target"),
        now[: names.SHORT_DIGEST] if _is_digest(now) else now,
        (newest or ABSENT) if finding.unknown is None else f"unknown: {finding.unknown}",
    )


def _is_digest(text: str) -> bool:
    return text.startswith("sha256:")
