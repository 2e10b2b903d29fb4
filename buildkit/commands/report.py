"""How a run over many targets ends: every failure, then the data on stdout, then the exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from buildkit import console
from buildkit.errors import Exit, worst

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.model import Target
    from buildkit.pipeline import Outcome


def end(targets: Sequence[Target], outcomes: Sequence[Outcome], *, as_json: bool) -> Exit:
    """Tell how each target ended. Returns the exit code of the run."""
    failed = [(outcome, outcome.error) for outcome in outcomes if outcome.error is not None]
    for outcome, error in failed:
        console.fail(
            f"{outcome.target.id}: {error.message}", hint=error.hint, details=error.details
        )
    left = len(targets) - len(outcomes)
    if failed:
        rest = f", {left} not begun" if left else ""
        console.say(f"{len(failed)} of {len(targets)} targets failed{rest}", fg="red")
    if as_json:
        begun = {outcome.target.id for outcome in outcomes}
        document = [_facts(outcome) for outcome in outcomes] + [
            {"id": target.id, "status": "not begun"} for target in targets if target.id not in begun
        ]
        click.echo(json.dumps({"targets": document}, indent=2))
    else:
        for outcome in outcomes:
            _print(outcome)
    return worst([error.code for _, error in failed])


def _print(outcome: Outcome) -> None:
    """One line per name of the image, on stdout."""
    if outcome.published is not None:
        click.echo(outcome.published.uri)
        click.echo(outcome.published.digest_uri)
    elif outcome.error is None:
        click.echo(outcome.target.image)


def _facts(outcome: Outcome) -> dict[str, object]:
    facts: dict[str, object] = {"id": outcome.target.id, "status": _status(outcome)}
    if outcome.built is not None:
        facts |= {"image": outcome.target.image, "image_id": outcome.built.image_id}
    if outcome.report is not None:
        facts["tested_before"] = outcome.tested_before
    if (published := outcome.published) is not None:
        facts |= {
            "uri": published.uri,
            "digest": published.digest,
            "digest_uri": published.digest_uri,
            "pushed": published.pushed,
        }
    if (error := outcome.error) is not None:
        facts["error"] = {
            "code": int(error.code),
            "message": error.message,
            "hint": error.hint,
            "details": error.details,
        }
    return facts


def _status(outcome: Outcome) -> str:
    if outcome.error is not None:
        return "failed"
    return "published" if outcome.published is not None else "tested"
