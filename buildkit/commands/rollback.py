"""`buildkit rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from buildkit.aliases import by_hand, moves
from buildkit.commands import complete, options
from buildkit.ledger import find, history, trails
from buildkit.ledger.record import Action
from buildkit.ledger.trails import Stop
from buildkit.publish import connect
from buildkit.support.errors import NothingSelectedError, ToolError, UsageError
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.aliases.moves import Aim, Alias
    from buildkit.commands.scope import Scope
    from buildkit.ledger.record import Release
    from buildkit.registry.client import Registry


@click.command(
    "rollback",
    epilog="\b\nExamples:\n  buildkit rollback sklearn:latest-cpu-py311\n"
    "  buildkit rollback sklearn:stable --to sha256:16e4af5aaf43",
)
@click.argument("alias", shell_complete=complete.aliases)
@click.option(
    "--to",
    metavar="DIGEST|TARGET|RECORD",
    help="Move the alias to this image.  [default: the previous image in the ledger]",
)
@options.READ
@options.JSON
@options.LOOK_IN
def command(
    *, scope: Scope, alias: str, to: str | None, as_json: bool, registries: tuple[str, ...]
) -> None:
    """Move ALIAS back to the image it pointed to before.

    No image is built. ALIAS is REPOSITORY:ALIAS, or ALIAS if the ledger has one repository. The
    alias moves in every registry in which the ledger knows it, or in none if a registry does not
    hold the image. Later publishes will not move the alias back to the image you rolled back from;
    use `buildkit promote` for that.
    """
    project = scope.project()
    book = scope.ledger()
    releases = book.read()
    book.check()
    meant = by_hand.alias(alias, releases, project)
    hosts = by_hand.hosts(
        registries, history.hosts_of_alias(releases, meant.repository, meant.name)
    )
    if not hosts:
        raise NothingSelectedError(
            f"the ledger has no move of `{meant}`",
            hint="`buildkit releases` lists the moves; `buildkit promote` moves a new alias",
        )
    wanted = None if to is None else _wanted(to, meant, releases)
    with connect.reach(project.config, hosts) as reached:
        aims = _aims([each.registry for each in reached], meant, releases, wanted)
        release = by_hand.record(book, releases, Action.ROLLBACK, aims)
    by_hand.show(release, as_json=as_json)


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
            hint="`buildkit releases` lists records and digests",
        )
    if len(found) > 1:
        raise UsageError(
            f"`{text}` names {len(found)} images of `{alias.repository}`: {', '.join(found)}",
            hint="pass one of these digests as `--to`",
        )
    ((digest, tag),) = found.items()
    return Stop(digest=digest, tag=tag)


def _aims(
    registries: Sequence[Registry], alias: Alias, releases: Sequence[Release], wanted: Stop | None
) -> list[Aim]:
    """The moves in all registries. Raises an error before anything has moved."""
    aims, lacking = [], []
    for registry, stop in _stops(registries, alias, releases, wanted):
        if stop.tag is None:
            raise NothingSelectedError(
                f"`{registry.host}/{alias}` pointed to {stop.digest} before, which is not in the "
                "ledger",
                hint="pass an image that this project has released with `--to DIGEST`",
            )
        found = moves.aim(registry, alias, stop.digest, stop.tag)
        if found is None:
            lacking.append(f"{registry.host} does not hold {stop.digest}")
        else:
            aims.append(found)
    if lacking:
        raise ToolError(
            f"`{alias}` was not moved: {'; '.join(lacking)}",
            hint="pass another image with `--to DIGEST`, or some registries with `--registry HOST`",
        )
    return aims


def _stops(
    registries: Sequence[Registry], alias: Alias, releases: Sequence[Release], wanted: Stop | None
) -> list[tuple[Registry, Stop]]:
    """The image to move the alias to in each registry.

    If an earlier rollback moved the alias in some registries only, it moves to the same image in
    the others: a rerun finishes an interrupted rollback.
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
                f"the ledger does not know where `{registry.host}/{alias}` pointed before {now}",
                hint="pass the image with `--to DIGEST`; `buildkit releases` lists digests",
            )
        aims.append((registry, stop))
    if len({stop.digest for _, stop in aims}) > 1:
        where = ", ".join(f"{each.host} to {stop.tag or stop.digest}" for each, stop in aims)
        console.say(
            f"`{alias}` pointed to different images before: {where}; pass `--to` to move it to one",
            fg="yellow",
        )
    return aims


def _before(
    registry: Registry, alias: Alias, releases: Sequence[Release]
) -> tuple[str, Stop | None]:
    """The digest that the alias points to now, and the one before, None if that is unknown."""
    now = registry.manifest(alias.repository, alias.name)
    if now is None:
        raise NothingSelectedError(
            f"`{registry.host}/{alias}` does not exist",
            hint=f"create the alias with `buildkit promote DIGEST --to {alias}`",
        )
    trail = trails.trail(releases, registry.host, alias.repository, alias.name)
    return now.digest, trail.before(now.digest)
