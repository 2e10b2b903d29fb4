"""`buildkit verify-reproducible`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from buildkit.build.bake_output import NOISE
from buildkit.commands import options, output
from buildkit.model import names
from buildkit.reproduce import twice
from buildkit.reproduce.contents import Comparison
from buildkit.support import manual, tables
from buildkit.support.amounts import count
from buildkit.support.errors import Exit, ToolError, worst
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildkit.commands.scope import Scope
    from buildkit.config.network import Network
    from buildkit.model.target import Target
    from buildkit.reproduce.contents import Difference
    from buildkit.reproduce.twice import Result

MOST = 10
"""Differences that are listed for each layer; `--json` prints all."""
LONGEST = 100
"""Characters of an instruction, or of a value."""


@click.command(
    "verify-reproducible",
    epilog="\b\nExamples:\n  buildkit verify-reproducible basic-1.0-cpu-py311\n"
    "  buildkit verify-reproducible 'sklearn*' --json",
)
@options.SELECT
@options.ALL
@options.READ
@options.JSON
@options.BUILD
@options.VERBOSE
def command(*, scope: Scope, as_json: bool, build_network: Network, verbose: bool) -> int:
    """Build targets twice without cache, and compare the images of each target.

    The second build uses copies of all files, with other times and modes, as in another checkout.
    If the images differ, the layers, files and fields that differ are listed. That is no failure if
    the template or Dockerfile says why it is not reproducible. Nothing is tested or published, and
    no image is kept.
    """
    project = scope.project(renders=True)
    targets = scope.targets(project)
    around = build_network.with_rules(project.config.substitutes)
    found = twice.build(project, targets, around, verbose=verbose)
    why = {each: project.templates.why_not_reproducible(each) for each in targets}
    codes = [_code(target, result, why[target]) for target, result in found.items()]
    document = {"targets": [{"id": each.id, **_facts(found[each], why[each])} for each in targets]}
    lines = [line for target in targets for line in _lines(target.id, found[target])]
    output.show(document, lines, as_json=as_json)
    return worst(codes)


def _code(target: Target, result: Result, why: str | None) -> Exit:
    """The exit code for one target, whose failure is said. `why` is the reason to expect one."""
    match result:
        case ToolError():
            said = f"{target.id}: {result.message}"
            console.fail(said, hint=result.hint, details=result.details)
            return result.code
        case Comparison() if why is not None:
            console.say(f"{target.id}: two builds made different images, as expected: {why}")
            return Exit.DONE
        case Comparison():
            page = manual.page("templates", "the-same-bytes-in-each-build")
            hint = f"write steps that make the same files each time: {page}"
            console.fail(f"{target.id}: two builds made different images", hint=hint)
            return Exit.DRIFT
        case _:
            return Exit.DONE


def _facts(result: Result, why: str | None) -> dict[str, object]:
    match result:
        case ToolError():
            error = {**result.facts, "message": result.message, "details": result.details}
            return {"status": "failed", "error": error}
        case Comparison():
            return {"status": "different", "expected": why, **asdict(result)}
        case _:
            return {"status": "same", "digest": result}


def _lines(target_id: str, result: Result) -> Iterator[str]:
    if isinstance(result, Comparison):
        yield f"{target_id}  different"
        yield from _differences(result)
    elif isinstance(result, str):
        yield f"{target_id}  {result}"


def _differences(found: Comparison) -> Iterator[str]:
    for layer in found.layers:
        yield f"  layer {layer.number}: {_instruction(layer.instruction)}"
        yield from _rows(layer.differences)
    if found.configuration:
        yield "  configuration"
        yield from _rows(found.configuration)


def _rows(found: Sequence[Difference]) -> Iterator[str]:
    rows = [(each.name, each.field, _short(each.a), _short(each.b)) for each in found[:MOST]]
    for line in tables.aligned(rows):
        yield f"    {line}"
    if len(found) > MOST:
        yield f"    and {count(len(found) - MOST, 'more difference')}"


def _instruction(text: str) -> str:
    """As in the Dockerfile, without what BuildKit adds, and what `step.begin` writes."""
    bare = text.removesuffix("# buildkit").replace("/bin/sh -c ", "", 1)
    return " ".join(NOISE.sub("", bare).split())[:LONGEST]


def _short(text: str) -> str:
    return text[: names.SHORT_DIGEST] if text.startswith("sha256:") else text[:LONGEST]
