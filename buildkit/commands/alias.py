"""What `promote` and `rollback` share: which alias is meant, and what becomes of moves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from buildkit import console, names
from buildkit.errors import UsageError
from buildkit.releases import history, ledger, make, moves
from buildkit.releases.commit import commit
from buildkit.releases.moves import Alias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from buildkit.project import Project
    from buildkit.releases.moves import Aim
    from buildkit.releases.record import Action, Release


def alias(text: str, releases: Sequence[Release], project: Project) -> Alias:
    """Read `REPOSITORY:ALIAS`, or `ALIAS` if the ledger leaves only one repository for it.

    Raises UsageError, also for an exact tag: those never move.
    """
    repository, colon, name = text.rpartition(":")
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
        names.tag(name)
    except ValueError as error:
        raise UsageError(f"`{text}`: {error}", hint="`REPOSITORY:ALIAS`, without a host") from error
    exact = {each.tag for each in project.targets if each.repository == repository}
    if name in exact | history.exact_tags(releases, repository):
        raise UsageError(
            f"`{repository}:{name}` is an exact tag: it names one image for ever",
            hint="name an alias, such as `latest-cpu-py311`",
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
    wanted = [each for each in aims if _is_news(each, releases)]
    for each in aims:
        if each not in wanted:
            console.say(f"{each.registry.host}/{each.alias} is at {each.tag} already")
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


def _is_news(aim: Aim, releases: Sequence[Release]) -> bool:
    """Whether anything changes: where the alias is, or that it is kept away from there."""
    alias = aim.alias
    held = history.held(releases, aim.registry.host, alias.repository, alias.name)
    return aim.before != aim.manifest.digest or aim.tag in held


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
