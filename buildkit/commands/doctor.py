"""`buildkit doctor`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildkit.commands import options
from buildkit.doctor import doctor, observe, question
from buildkit.doctor.facts import Images
from buildkit.doctor.finding import State, exit_code
from buildkit.support.amounts import count
from buildkit.support.errors import BuildkitError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildkit.commands.scope import Scope
    from buildkit.config.substitution import Rule
    from buildkit.doctor.finding import Finding
    from buildkit.doctor.question import Question

MARKS = {State.OK: "✓", State.WARNING: "!", State.PROBLEM: "✗"}
PLAIN = {State.OK: "+", State.WARNING: "!", State.PROBLEM: "x"}
"""For a terminal that cannot show the others."""
COLOURS = {State.OK: "green", State.WARNING: "yellow", State.PROBLEM: "red"}


@click.command(
    epilog="\b\nExamples:\n  buildkit doctor\n  buildkit doctor 'sklearn*' --json\n"
    "  buildkit doctor --registry 123456789012.dkr.ecr.eu-west-1.amazonaws.com"
)
@options.SELECT
@options.READ
@options.DIST
@options.JSON
@options.REGISTRY
@options.SUBSTITUTE
def command(
    *,
    scope: Scope,
    as_json: bool,
    registries: tuple[str, ...],
    substitutes: tuple[Rule, ...],
) -> int:
    """Check this machine, its network and its AWS account, and print a fix for each problem.

    With an images.toml, this also checks the file, and the bases and registries of the targets that
    match SELECT; without SELECT, of all targets. Nothing is changed, here or in AWS, and the checks
    take at most ten seconds. Exit codes: 0 no problem, 5 a problem of the machine, the network or
    AWS, 2 a problem of images.toml.
    """
    found = doctor.examine(observe.observe(_question(scope, registries, substitutes)))
    text = json.dumps(_document(found), indent=2) if as_json else _shown("\n".join(_lines(found)))
    click.echo(text, color=False if os.environ.get("NO_COLOR") else None)
    return exit_code(found)


def _question(scope: Scope, registries: tuple[str, ...], rules: tuple[Rule, ...]) -> Question:
    folder = (scope.dist or scope.file.parent).absolute()
    if not options.is_given("file") and not scope.file.exists():
        if scope.select or registries:
            raise UsageError(
                f"{scope.file} not found",
                hint="name the file with `--file`, or leave out SELECT and `--registry`",
            )
        return question.without_file(Images(), folder)
    try:
        project = scope.project(renders=True)
    except BuildkitError as error:
        return question.without_file(Images(path=Path(scope.file), error=error), folder)
    return question.of_project(project, scope.targets_or_all(project), rules, registries)


def _document(findings: Sequence[Finding]) -> dict[str, object]:
    return {
        "findings": [
            {
                "name": each.name,
                "state": each.state.value,
                "found": each.found,
                "fix": each.fix or None,
                "details": each.details or None,
            }
            for each in findings
        ],
        "code": int(exit_code(tuple(findings))),
    }


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    """A line for each finding; then the fixes, those of problems last."""
    signs = "".join(MARKS.values())
    marks = MARKS if _shown(signs) == signs else PLAIN
    width = max(len(each.name) for each in findings)
    for each in findings:
        word = click.style(f"{marks[each.state]} {each.state.value:<7}", fg=COLOURS[each.state])
        yield f"{word}  {each.name:<{width}}  {each.found}"
    for state in (State.WARNING, State.PROBLEM):
        for each in findings:
            if each.state is state:
                yield ""
                yield click.style(f"{state.value} {each.name}: {each.found}", fg=COLOURS[state])
                yield f"  fix: {each.fix}"
                yield from (f"  {line}" for line in each.details.splitlines())
    yield ""
    yield _sum(findings)


def _sum(findings: Sequence[Finding]) -> str:
    number = {state: sum(each.state is state for each in findings) for state in State}
    parts = [count(number[each], each.value) for each in (State.PROBLEM, State.WARNING)]
    if not number[State.PROBLEM] and not number[State.WARNING]:
        return f"{count(len(findings), 'check')}: no problem found"
    return f"{count(len(findings), 'check')}: {', '.join(parts)}"


def _shown(text: str) -> str:
    """A text as stdout can show it: `?` for what its encoding lacks."""
    encoding = sys.stdout.encoding or "ascii"
    return text.encode(encoding, "replace").decode(encoding)
