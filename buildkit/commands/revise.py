"""`buildkit revise`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from buildkit import bases, config, console, engine, files, matrix, options
from buildkit.ci import changes, revisions
from buildkit.project import read as read_project
from buildkit.releases import history, ledger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from buildkit.engine import Engine
    from buildkit.model import Target
    from buildkit.releases.record import Release


@click.command(
    epilog="\b\nExamples:\n  buildkit revise 'sklearn*'\n  buildkit revise --all --changed"
)
@options.SELECT
@options.ALL
@options.FILE
@options.JSON
@click.option(
    "--changed",
    is_flag=True,
    help="Only what is released, and would be another image now: of another base, or other files.",
)
@options.SUBSTITUTE
def command(
    *,
    select: tuple[str, ...],
    everything: bool,
    file: Path,
    as_json: bool,
    changed: bool,
    substitute: tuple[str, ...],
) -> None:
    """Raise the revision, in images.toml, of the versions that the targets of SELECT have.

    `1.7.2` becomes `1.7.2-1`: a rebuilt image gets a tag of its own, and aliases move to it. All
    targets of a version are raised together. Comments and layout of the file stay.
    """
    project = read_project(file, None)
    targets = project.select(options.selection(select, everything=everything))
    releases = ledger.beside(file).read()
    if changed:
        rules = (*bases.parse(substitute), *project.config.substitutes)
        stale = changes.stale(project, targets, releases)
        moved = _moved(targets, releases, rules, engine.connect())
        targets = tuple(each for each in targets if each in stale or each in moved)
    raised = revisions.raised(targets, releases)
    if raised:
        text = revisions.edited(file.read_text(encoding="utf-8"), raised)
        files.write_text(file.resolve(), text, hint="mend access to it")
    new = matrix.expand(config.read(file)) if raised else ()
    found = [t.id for t in new if t.version in raised.get(t.name, {}).values()]
    for name, versions in raised.items():
        for old, version in versions.items():
            console.say(f"{name} {old} is {version} now", fg="green")
    if not raised:
        console.say("no revision is raised")
    if as_json:
        click.echo(json.dumps({"raised": raised, "targets": found}, indent=2))
    elif found:
        click.echo("\n".join(found))


def _moved(
    targets: Sequence[Target],
    releases: Sequence[Release],
    rules: Sequence[bases.Rule],
    docker: Engine,
) -> tuple[Target, ...]:
    """The released targets whose base is not what it was."""
    found = []
    for target in targets:
        image = history.tagged(releases, target.repository, target.tag)
        if image is None:
            continue
        base = bases.substitute(target.base, rules) or target.base
        now = docker.digests(base)
        if not now:
            console.step(target.id, f"stays: nobody tells what `{base}` is now", fg="yellow")
        elif image.origin is None or image.origin.base_digest not in now:
            console.step(target.id, f"its base `{base}` has moved")
            found.append(target)
    return tuple(found)
