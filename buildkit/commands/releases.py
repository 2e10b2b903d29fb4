"""`buildkit releases`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from buildkit.commands import complete, options, output
from buildkit.ledger import history, ledger
from buildkit.ledger.record import Action
from buildkit.model import names
from buildkit.support import suggest, tables
from buildkit.support.errors import NothingSelectedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildkit.commands.scope import Scope
    from buildkit.ledger.record import Release

COLUMNS = ("RECORD", "ACTION", "WHAT", "DIGEST", "TEST", "COMMIT")
SHORT = 19
"""Characters of a digest that are shown: `sha256:` and 12 digits, enough to name an image."""


@click.command(
    "releases",
    epilog="\b\nExamples:\n  buildkit releases\n  buildkit releases 'sklearn*' --limit 5\n"
    "  buildkit releases --json",
)
@click.argument("target", nargs=-1, shell_complete=complete.targets)
@options.READ
@options.JSON
@click.option(
    "--limit", type=click.IntRange(min=1), help="Show only the newest records, at most this many."
)
def command(*, scope: Scope, target: tuple[str, ...], as_json: bool, limit: int | None) -> None:
    """List released images and moves of their aliases, the newest first.

    TARGET is one or more names of images, or patterns on target ids with `*` as in file names; it
    limits the list to these targets. The records are in releases.jsonl beside images.toml.
    """
    book = scope.ledger()
    known = book.read()
    digests = _digests(known, target)
    narrowed = (_narrowed(each, digests) for each in reversed(known))
    chosen = [each for each in narrowed if each.images or each.moves][:limit]
    if not chosen:
        about = " of " + ", ".join(f"`{each}`" for each in target) if target else ""
        raise NothingSelectedError(
            f"{book.path} has no record{about}",
            hint=_similar(known, target)
            or "`buildkit build --all --push` publishes images, and records them",
        )
    rows = [row for each in chosen for row in _rows(each)]
    document = [json.loads(ledger.text(each)) for each in chosen]
    output.show(document, tables.aligned([COLUMNS, *rows]), as_json=as_json)


def _similar(releases: Sequence[Release], patterns: Sequence[str]) -> str:
    """The hint with released targets of a similar name; empty if there are none."""
    known = dict.fromkeys(image.target for _, image in history.images(releases))
    return suggest.near_to(patterns[0].strip("*?"), tuple(known)) if known and patterns else ""


def _digests(releases: Sequence[Release], patterns: Sequence[str]) -> frozenset[str]:
    """Digests of all images whose target matches a pattern; without patterns, of all images."""
    return frozenset(
        image.digest
        for _, image in history.images(releases)
        if any(names.means(each, image.name, image.target) for each in patterns or ("*",))
    )


def _narrowed(release: Release, digests: frozenset[str]) -> Release:
    """A record with only these images, and with the moves of aliases to or from them."""
    return replace(
        release,
        images=tuple(each for each in release.images if each.digest in digests),
        moves=tuple(each for each in release.moves if {each.before, each.after} & digests),
    )


def _rows(release: Release) -> Iterator[tuple[str, ...]]:
    head, dash, dirty = (release.commit or "").partition("-")
    commit = f"{head[:12]}{dash}{dirty}"
    verb = "alias" if release.action is Action.PUBLISH else release.action.value
    for image in release.images:
        verdict = f"{image.verdict.profile}, {image.verdict.summary}"
        what = f"{image.repository}:{image.tag}"
        yield release.id, release.action.value, what, image.digest[:SHORT], verdict, commit
    for move in release.moves:
        what = f"{move.host}/{move.repository}:{move.alias} -> {move.tag}"
        yield release.id, verb, what, move.after[:SHORT], "", commit
