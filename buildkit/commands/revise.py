"""`buildkit revise`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from buildkit.build import base_logins
from buildkit.ci import changes, revisions
from buildkit.commands import options
from buildkit.config import images_toml, substitution
from buildkit.engine import engine
from buildkit.ledger import history, ledger
from buildkit.matrix import matrix
from buildkit.project import read as read_project
from buildkit.support.errors import ConfigError
from buildkit.system import console, files, reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from buildkit.engine.engine import Engine
    from buildkit.ledger.record import Release
    from buildkit.model.target import Target
    from buildkit.project import Project

HINT = "mend access to it"


@click.command(
    epilog="\b\nExamples:\n  buildkit revise 'sklearn*'\n  buildkit revise --all --changed"
)
@options.SELECT
@options.ALL
@options.READ
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
    allow_outside: bool,
    as_json: bool,
    changed: bool,
    substitute: tuple[substitution.Rule, ...],
) -> None:
    """Raise the revision, in images.toml, of the versions that the targets of SELECT have.

    `1.7.2` becomes `1.7.2-1`: a rebuilt image gets a tag of its own, and aliases move to it. All
    targets of a version are raised together. Comments and layout of the file stay.
    """
    project = read_project(file, None, allow_outside=allow_outside)
    targets = project.select(options.selection(select, everything=everything))
    releases = ledger.beside(file).read()
    if changed:
        rules = (*substitute, *project.config.substitutes)
        stale = changes.stale(project, targets, releases)
        with engine.connect() as docker:
            moved = _moved(targets, releases, rules, docker)
        targets = tuple(each for each in targets if each in stale or each in moved)
    raised = revisions.bumped(targets, releases)
    new = _write(project, raised) if raised else ()
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


def _write(project: Project, raised: Mapping[str, Mapping[str, str]]) -> tuple[Target, ...]:
    """Write other versions into images.toml; its targets now.

    Raises ConfigError if it would not be right then, and leaves it as it was.
    """
    file = project.config.path
    before = reading.text(file)
    files.write_text(file.resolve(), revisions.edited(before, raised), hint=HINT)
    try:
        return matrix.expand(images_toml.read(file, within=project.config.boundary))
    except ConfigError:
        files.write_text(file.resolve(), before, hint=HINT)
        raise


def _moved(
    targets: Sequence[Target],
    releases: Sequence[Release],
    rules: Sequence[substitution.Rule],
    docker: Engine,
) -> tuple[Target, ...]:
    """The released targets whose base is not what it was."""
    found = []
    released = {each: history.tagged(releases, each.repository, each.tag) for each in targets}
    hosts = [substitution.registry(each.base, rules) for each, image in released.items() if image]
    logins, refused = base_logins.fresh(hosts)
    for host, error in refused.items():
        console.say(f"no login to {host}: {error.message}", fg="yellow")
    for target, image in released.items():
        if image is None:
            continue
        base = substitution.substitute(target.base, rules) or target.base
        now = docker.digests(base, logins.get(substitution.registry(target.base, rules)))
        if not now:
            console.step(target.id, f"stays: nobody tells what `{base}` is now", fg="yellow")
        elif image.origin is None or image.origin.base_digest not in now:
            console.step(target.id, f"its base `{base}` has moved")
            found.append(target)
    return tuple(found)
