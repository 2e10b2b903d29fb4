"""`buildkit notes`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from buildkit.commands import options
from buildkit.diff import compare, release_notes
from buildkit.ledger import history, ledger
from buildkit.ledger.record import Action
from buildkit.support.errors import BuildkitError, NothingSelectedError
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.commands.scope import Scope
    from buildkit.diff.compare import Connections
    from buildkit.diff.differences import Difference
    from buildkit.diff.release_notes import Change
    from buildkit.ledger.record import Image, Release


@click.command(
    epilog="\b\nExamples:\n  buildkit notes\n  buildkit notes 20261128T0711 --no-packages\n"
    '  buildkit notes >> "$GITHUB_STEP_SUMMARY"'
)
@click.argument("record", required=False)
@options.READ
@options.JSON
@click.option(
    "--packages/--no-packages",
    default=True,
    help="Compare the packages of images, too; this downloads the layers that differ.",
)
def command(*, scope: Scope, record: str | None, as_json: bool, packages: bool) -> None:
    """Write release notes in Markdown for a RECORD of the ledger, by default the newest publish.

    Each image is compared with the previous one of the same matrix cell: base, size, packages.
    """
    releases = scope.ledger().read()
    if not releases:
        raise NothingSelectedError(
            "the ledger has no record",
            hint="`buildkit build --all --push` publishes images, and records them",
        )
    release = history.by_id(releases, record) if record else _newest(releases)
    with compare.connections(scope.config()) as reached:
        changes = _changes(releases, release, reached if packages else None)
    if as_json:
        found = {name: asdict(change) for name, change in changes.items()}
        document = {"record": json.loads(ledger.text(release)), "changes": found}
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(release_notes.page(release, changes), nl=False)


def _newest(releases: Sequence[Release]) -> Release:
    """The newest record that published images; promotions and rollbacks have no new images."""
    published = (each for each in reversed(releases) if each.action is Action.PUBLISH)
    return next((each for each in published if each.images), releases[-1])


def _changes(
    releases: Sequence[Release], release: Release, reached: Connections | None
) -> dict[str, Change]:
    found = {}
    for image in release.images:
        if (before := release_notes.before(releases, release, image)) is not None:
            packages = None if reached is None else _packages(before, image, reached)
            found[image.target] = release_notes.Change(before=before, packages=packages)
    return found


def _packages(before: Image, image: Image, reached: Connections) -> Sequence[Difference] | None:
    """Changed packages; None if an image cannot be read, and the notes go without them."""
    try:
        shared = next((each for each in image.hosts if each in before.hosts), None)
        older, newer = (
            reached.subject(shared or each.hosts[0], each.repository, each.digest)
            for each in (before, image)
        )
        return compare.compare(older, newer).packages
    except BuildkitError as error:
        console.step(image.target, f"packages not compared: {error.message}", fg="yellow")
        return None
