"""What `promote` and `rollback` share: which alias is meant, and what becomes of moves."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from buildkit.aliases import moves
from buildkit.aliases.moves import Alias
from buildkit.ledger import history, ledger, make, trails
from buildkit.ledger.commit import commit
from buildkit.model import families, names, tag_filters
from buildkit.support import suggest
from buildkit.support.errors import UsageError
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from buildkit.aliases.moves import Aim
    from buildkit.ledger.record import Action, Release
    from buildkit.project import Project


def alias(text: str, releases: Sequence[Release], project: Project) -> Alias:
    """Read `REPOSITORY:ALIAS`, or `ALIAS` if the ledger leaves only one repository for it.

    Raises UsageError, also for an exact tag, which never moves, and for what reads as one.
    """
    repository, colon, name = text.rpartition(":")
    try:
        names.tag(name)
        tag_filters.check(name, "give the alias another beginning")
    except ValueError as error:
        raise UsageError(
            f"`{suggest.shown(text)}`: {error}", hint="`REPOSITORY:ALIAS`, without a host"
        ) from error
    if not colon:
        known = sorted(history.repositories_of_alias(releases, text))
        known = known or sorted(history.repositories(releases))
        if len(known) != 1:
            raise UsageError(
                f"`{text}` could be in {len(known)} repositories: {', '.join(known)}"
                if known
                else f"`{text}` could be anywhere: the ledger has no release yet",
                hint=f"`{known[0] if known else 'REPOSITORY'}:{text}`",
            )
        (repository,) = known
    try:
        names.repository(repository)
    except ValueError as error:
        raise UsageError(
            f"`{suggest.shown(text)}`: {error}", hint="`REPOSITORY:ALIAS`, without a host"
        ) from error
    exact = {each.tag for each in project.targets if each.repository == repository}
    if name in exact | history.exact_tags(releases, repository):
        raise UsageError(
            f"`{repository}:{name}` is an exact tag: it names one image for ever",
            hint="name an alias, such as `latest-cpu-py311`",
        )
    for target in project.targets:
        if target.repository != repository or target.family is None:
            continue
        if (version := families.version_of(target.family, name)) is not None:
            raise UsageError(
                f"`{repository}:{name}` reads as the exact tag of a version `{version}`, to which "
                "other aliases could move",
                hint="put the words in another order, as in `stable-py311-cpu`",
            )
    return Alias(repository=repository, name=name)


def hosts(given: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """The registries to work on: those that were asked for, else all on record. Tells the rest."""
    on_record = tuple(dict.fromkeys(known))
    for host in on_record if given else ():
        if host not in given:
            console.say(
                f"{host} is left as it is: `--registry`, or BUILDKIT_REGISTRY, does not name it",
                fg="yellow",
            )
    return tuple(given) or on_record


def record(
    book: ledger.Ledger, releases: Sequence[Release], action: Action, aims: Sequence[Aim]
) -> Release:
    """Move aliases, and put on record what has moved. Raises ToolError if some have not."""
    wanted = [news for each in aims if (news := _news(each, releases))]
    moved = moves.carry_out(wanted)
    at = commit(book.path.parent, book.path.name)
    release = make.release(action, at, moves=moved.done)
    if moved.done:
        book.append(release)
    for move in moved.done:
        alias = f"{move.host}/{move.repository}:{move.alias}"
        console.say(f"{alias} is at {move.tag}, {move.after}", fg="green")
    if error := moves.failure(moved, wanted):
        raise error
    return release


def _news(aim: Aim, releases: Sequence[Release]) -> Aim | None:
    """What changes: where the alias is, whether it is kept away from there, or what is on record.

    A move that was cut off before it was on record is made up for, from where the ledger saw it.
    """
    alias, digest = aim.alias, aim.manifest.digest
    trail = trails.trail(releases, aim.registry.host, alias.repository, alias.name)
    if aim.before != digest or aim.tag in trail.held:
        return aim
    where = f"{aim.registry.host}/{alias} is at {aim.tag} already"
    if trail.last == digest:
        console.say(where)
        return None
    console.say(f"{where}; adding the missing ledger record", fg="yellow")
    return replace(aim, before=trail.last)


def show(release: Release, *, as_json: bool) -> None:
    """On stdout: the record, or the URI of each alias and image in it."""
    if as_json:
        click.echo(json.dumps(json.loads(ledger.text(release)), indent=2))
        return
    for image in release.images:
        for location in image.locations:
            click.echo(location)
    for move in release.moves:
        click.echo(f"{move.host}/{move.repository}:{move.alias}")
