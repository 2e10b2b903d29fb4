"""`buildkit revise`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from buildkit.ci import changes, revisions
from buildkit.commands import options
from buildkit.config import images_toml, substitution
from buildkit.ecr.logins import base_logins
from buildkit.engine import engine
from buildkit.ledger import history
from buildkit.lock import check, lockfile, make
from buildkit.matrix import matrix
from buildkit.support.errors import ConfigError
from buildkit.system import console, files, reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildkit.commands.scope import Scope
    from buildkit.engine.engine import Engine
    from buildkit.ledger.record import Release
    from buildkit.lock.lockfile import Lock
    from buildkit.model.target import Target
    from buildkit.project import Project

HINT = "make images.toml writable"


@click.command(
    epilog="\b\nExamples:\n  buildkit revise 'sklearn*'\n  buildkit revise --all --changed"
)
@options.SELECT
@options.ALL
@options.READ
@options.JSON
@options.flag(
    "--changed", "Select only released targets whose base image or build files have changed since."
)
@options.SUBSTITUTE
def command(
    *, scope: Scope, as_json: bool, changed: bool, substitutes: tuple[substitution.Rule, ...]
) -> None:
    """Bump the revision of the selected targets in images.toml (`1.7.2` becomes `1.7.2-1`).

    The rebuilt image then gets a tag of its own, and aliases move to it. All targets of a version
    are bumped together. Comments and layout of images.toml do not change. In images.lock, the
    targets keep what is pinned for them.
    """
    project = scope.project()
    targets = scope.targets(project)
    releases = scope.ledger().read()
    if changed:
        rules = (*substitutes, *project.config.substitutes)
        stale = changes.stale(project, targets, releases)
        with engine.connect() as docker:
            moved = _moved(targets, releases, rules, docker)
        targets = tuple(each for each in targets if each in stale or each in moved)
    raised = revisions.bumped(targets, releases)
    new = _write(project, raised) if raised else ()
    if raised and project.lock is not None:
        _lock(project, project.lock, new)
    found = [t.id for t in new if t.version in raised.get(t.name, {}).values()]
    for name, versions in raised.items():
        for old, version in versions.items():
            console.say(f"{name}: {old} is now {version}", fg="green")
    if not raised:
        console.say("no revision was bumped")
    if as_json:
        click.echo(json.dumps({"raised": raised, "targets": found}, indent=2))
    elif found:
        click.echo("\n".join(found))


def _write(project: Project, raised: Mapping[str, Mapping[str, str]]) -> tuple[Target, ...]:
    """Write the new versions into images.toml. Returns its new targets.

    Restores the file and raises ConfigError if the result would not be valid.
    """
    file = project.config.path
    before = reading.text(file)
    files.write_text(file.resolve(), revisions.edited(before, raised), hint=HINT)
    try:
        return matrix.expand(images_toml.read(file, within=project.config.boundary))
    except ConfigError:
        files.write_text(file.resolve(), before, hint=HINT)
        raise


def _lock(project: Project, lock: Lock, targets: Sequence[Target]) -> None:
    """Give the targets with new ids the packages that they had before in images.lock."""
    wanted = check.requests(targets, project.templates)
    lock = make.without_surplus(make.shared(lock, wanted), targets, wanted)
    lockfile.write(lockfile.beside(project.config.path, project.config.boundary), lock)


def _moved(
    targets: Sequence[Target],
    releases: Sequence[Release],
    rules: Sequence[substitution.Rule],
    docker: Engine,
) -> tuple[Target, ...]:
    """The released targets whose base image has changed since."""
    found = []
    released = {each: history.tagged(releases, each.repository, each.tag) for each in targets}
    hosts = [substitution.registry(each.base, rules) for each, image in released.items() if image]
    logins, refused = base_logins(hosts)
    for host, error in refused.items():
        console.say(f"login to {host} failed: {error.message}", fg="yellow")
    for target, image in released.items():
        if image is None or target.pins.base is not None:  # a new pin changes the build's inputs
            continue
        base = substitution.substitute(target.base, rules) or target.base
        now = docker.digests(base, logins.get(substitution.registry(target.base, rules)))
        if not now:
            console.step(
                target.id,
                f"not bumped: the digest of `{base}` could not be resolved",
                fg="yellow",
            )
        elif image.origin is None or image.origin.base_digest not in now:
            console.step(target.id, f"base image `{base}` has changed")
            found.append(target)
    return tuple(found)
