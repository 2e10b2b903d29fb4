"""What `promote` and `rollback` share: read the name of an alias, move it, record the move."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from buildkit.aliases import moves
from buildkit.aliases.moves import Alias
from buildkit.ledger import history, ledger, make, trails
from buildkit.model import families, names, tag_filters
from buildkit.support import suggest
from buildkit.support.errors import UsageError, ending, together
from buildkit.system import console, git

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from buildkit.aliases.moves import Aim
    from buildkit.ledger.record import Action, Release
    from buildkit.model.target import Target
    from buildkit.project import Project


def alias(text: str, releases: Sequence[Release], project: Project) -> Alias:
    """Read `REPOSITORY:ALIAS`, or `ALIAS` if the ledger has only one repository for it.

    Raises UsageError, also for a reserved prefix, for an exact tag, which never moves, and for what
    looks like one.
    """
    repository, colon, name = text.rpartition(":")
    try:
        names.tag(name)
        _refuse_reserved(name)
        repository = names.repository(repository if colon else _repository(text, releases))
    except ValueError as error:
        raise UsageError(
            f"`{suggest.shown(text)}`: {error}", hint="write `REPOSITORY:ALIAS`, without a host"
        ) from error
    found = Alias(repository=repository, name=name)
    _refuse_exact_tag(found, releases, project.targets)
    return found


def _repository(name: str, releases: Sequence[Release]) -> str:
    """The only repository that an alias may be in. Raises UsageError for none and for several."""
    known = sorted(history.repositories_of_alias(releases, name))
    known = known or sorted(history.repositories(releases))
    if not known:
        raise UsageError(
            f"the repository of `{name}` is unknown: the ledger has no release yet",
            hint=f"write `REPOSITORY:{name}`",
        )
    if len(known) > 1:
        raise UsageError(
            f"`{name}` could be in {len(known)} repositories: {', '.join(known)}",
            hint=f"write one of them before the alias, such as `{known[0]}:{name}`",
        )
    return known[0]


def _refuse_reserved(name: str) -> None:
    if (wrong := tag_filters.reserved(name)) is not None:
        prefixes = " or ".join(f"`{prefix}`" for prefix in tag_filters.RESERVED)
        raise UsageError(wrong, hint=f"choose an alias that does not begin with {prefixes}")


def _refuse_exact_tag(found: Alias, releases: Sequence[Release], targets: Iterable[Target]) -> None:
    """Raise UsageError for a tag that never moves, or looks like one of a version to come."""
    inside = [each for each in targets if each.repository == found.repository]
    exact = {each.tag for each in inside} | history.exact_tags(releases, found.repository)
    if found.name in exact:
        raise UsageError(
            f"`{found}` is an exact tag, which always points to the same image",
            hint="name an alias, such as `latest-cpu-py311`",
        )
    for each in inside:
        version = families.version_of(each.family, found.name) if each.family else None
        if version is not None:
            raise UsageError(
                f"`{found}` looks like the exact tag of version `{version}`: other aliases could "
                "move to it",
                hint="change the order of the words, as in `stable-py311-cpu`",
            )


def hosts(given: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """The registries to work on: the given ones, else all in the ledger. Says which are skipped."""
    on_record = tuple(dict.fromkeys(known))
    for host in on_record if given else ():
        if host not in given:
            console.say(
                f"{host} skipped: `--registry` or BUILDKIT_REGISTRY does not name that registry",
                fg="yellow",
            )
    return tuple(given) or on_record


def record(
    book: ledger.Ledger, releases: Sequence[Release], action: Action, aims: Sequence[Aim]
) -> Release:
    """Move aliases, and record the moves. Raises ToolError if some aliases did not move."""
    wanted = [news for each in aims if (news := _news(each, releases))]
    moved = moves.carry_out(wanted)
    at = git.commit(book.path)
    release = make.release(action, at, moves=moved.done)
    if moved.done:
        book.append(release)
    for move in moved.done:
        alias = f"{move.host}/{move.repository}:{move.alias}"
        console.say(f"{alias} moved to {move.tag}, {move.after}", fg="green")
    if moved.errors:
        raise together(moved.errors, len(wanted), ending(each.host for each in moved.done))
    return release


def _news(aim: Aim, releases: Sequence[Release]) -> Aim | None:
    """The move to record, None if nothing changes: the alias, its held tags and the ledger.

    A move that an earlier run did not record is recorded now, from where the ledger saw the alias.
    """
    alias, digest = aim.alias, aim.manifest.digest
    trail = trails.trail(releases, aim.registry.host, alias.repository, alias.name)
    if aim.before != digest or aim.tag in trail.held:
        return aim
    where = f"{aim} already points to {aim.tag}"
    if trail.last == digest:
        console.say(where)
        return None
    console.say(f"{where}; adding the missing ledger record", fg="yellow")
    return replace(aim, before=trail.last)


def show(release: Release, *, as_json: bool) -> None:
    """Print the record to stdout, or the URIs of its images and aliases."""
    if as_json:
        click.echo(json.dumps(json.loads(ledger.text(release)), indent=2))
        return
    for image in release.images:
        for location in image.locations:
            click.echo(location)
    for move in release.moves:
        click.echo(f"{move.host}/{move.repository}:{move.alias}")
