"""`buildkit rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from buildkit.aliases import moves
from buildkit.aliases import named as aliases
from buildkit.commands import options
from buildkit.ledger import find, history, ledger, trails
from buildkit.ledger.record import Action
from buildkit.ledger.trails import Stop
from buildkit.project import read as read_project
from buildkit.publish import connect
from buildkit.support.errors import NothingSelectedError, ToolError, UsageError
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from buildkit.aliases.moves import Aim, Alias
    from buildkit.ledger.record import Release
    from buildkit.registry.client import Registry


@click.command(
    "rollback",
    epilog="\b\nExamples:\n  buildkit rollback sklearn:latest-cpu-py311\n"
    "  buildkit rollback sklearn:stable --to sha256:16e4af5aaf43",
)
@click.argument("alias", shell_complete=options.complete_aliases)
@click.option(
    "--to",
    metavar="DIGEST|TARGET|RECORD",
    help="The image to go back to.  [default: where the alias was before, by the ledger]",
)
@options.READ
@options.JSON
@options.LOOK_IN
def command(
    *,
    alias: str,
    to: str | None,
    file: Path,
    allow_outside: bool,
    as_json: bool,
    registries: tuple[str, ...],
) -> None:
    """Move ALIAS back to the image that it named before. Nothing is built.

    ALIAS is REPOSITORY:ALIAS, or ALIAS where the ledger has one repository. It is moved in every
    registry in which the ledger knows it, or in none: the image must be there first. A publication
    does not move it forward again to what it was taken back from; `buildkit promote` does.
    """
    project = read_project(file, None, allow_outside=allow_outside)
    book = ledger.beside(file)
    releases = book.read()
    book.check()
    meant = aliases.alias(alias, releases, project)
    hosts = aliases.hosts(
        registries, history.hosts_of_alias(releases, meant.repository, meant.name)
    )
    if not hosts:
        raise NothingSelectedError(
            f"the ledger has no move of `{meant}`",
            hint="`buildkit releases` shows what was moved; `buildkit promote` moves an alias",
        )
    wanted = None if to is None else _wanted(to, meant, releases)
    with connect.reach(project.config, hosts) as reached:
        aims = _aims([each.registry for each in reached], meant, releases, wanted)
        release = aliases.record(book, releases, Action.ROLLBACK, aims)
    aliases.show(release, as_json=as_json)


def _wanted(text: str, alias: Alias, releases: Sequence[Release]) -> Stop:
    """The image that `--to` names, by digest, target or record.

    Raises UsageError, NothingSelectedError.
    """
    named = find.image(releases, text)
    if named is not None:
        found = {
            each.digest: each.tag
            for each in history.by_digest(releases, named.digest)
            if each.repository == alias.repository
        }
    else:
        release = history.by_id(releases, text)
        found = {
            move.after: move.tag
            for move in release.moves
            if (move.repository, move.alias) == (alias.repository, alias.name)
        } or {
            each.digest: each.tag for each in release.images if each.repository == alias.repository
        }
    if not found:
        raise NothingSelectedError(
            f"the ledger has no image `{text}` in the repository `{alias.repository}`",
            hint="`buildkit releases` shows records and digests",
        )
    if len(found) > 1:
        raise UsageError(
            f"`{text}` has {len(found)} images of `{alias.repository}`: {', '.join(found)}",
            hint="name one of these digests",
        )
    ((digest, tag),) = found.items()
    return Stop(digest=digest, tag=tag)


def _aims(
    registries: Sequence[Registry],
    alias: Alias,
    releases: Sequence[Release],
    wanted: Stop | None,
) -> list[Aim]:
    """What is to move in all registries. Raises an error before anything has moved."""
    aims, lacking = [], []
    for registry, stop in _stops(registries, alias, releases, wanted):
        if stop.tag is None:
            raise NothingSelectedError(
                f"`{registry.host}/{alias}` was at {stop.digest} before, which is not on record",
                hint="`--to DIGEST` names an image that this project has released",
            )
        found = moves.aim(registry, alias, stop.digest, stop.tag)
        if found is None:
            lacking.append(f"{registry.host} does not hold {stop.digest}")
        else:
            aims.append(found)
    if lacking:
        raise ToolError(
            f"`{alias}` stays where it is: {'; '.join(lacking)}",
            hint="`--to DIGEST` names another image, `--registry HOST` only some registries",
        )
    return aims


def _stops(
    registries: Sequence[Registry],
    alias: Alias,
    releases: Sequence[Release],
    wanted: Stop | None,
) -> list[tuple[Registry, Stop]]:
    """Where the alias shall be in each registry.

    It may have moved in some of them only: then it stays where it comes to in the others, so that
    the same command again finishes what it began.
    """
    if wanted is not None:
        return [(each, wanted) for each in registries]
    found = [(each, *_before(each, alias, releases)) for each in registries]
    aims = []
    for registry, now, before in found:
        there = (stop for _, _, stop in found if stop is not None and stop.digest == now)
        stop = next(there, before)
        if stop is None:
            raise NothingSelectedError(
                f"the ledger does not know where `{registry.host}/{alias}` was before {now}",
                hint="`--to DIGEST` names the image to go back to: `buildkit releases` shows them",
            )
        aims.append((registry, stop))
    if len({stop.digest for _, stop in aims}) > 1:
        where = ", ".join(f"{each.host} to {stop.tag or stop.digest}" for each, stop in aims)
        console.say(
            f"`{alias}` was at different images before: {where}; `--to` brings it to one",
            fg="yellow",
        )
    return aims


def _before(
    registry: Registry, alias: Alias, releases: Sequence[Release]
) -> tuple[str, Stop | None]:
    """The digest at which the alias is, and where it was before, None if nobody knows."""
    now = registry.manifest(alias.repository, alias.name)
    if now is None:
        raise NothingSelectedError(
            f"`{registry.host}/{alias}` is not there",
            hint="`buildkit promote DIGEST --to ALIAS` makes it; or name it by `--to`",
        )
    trail = trails.trail(releases, registry.host, alias.repository, alias.name)
    return now.digest, trail.before(now.digest)
