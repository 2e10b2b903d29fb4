"""Questions to the ledger about the history of aliases. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.ledger import history
from buildkit.ledger.record import Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from buildkit.ledger.record import Release


@dataclass(frozen=True, kw_only=True)
class Stop:
    """An image that an alias pointed to. `tag` is its exact tag, None if the ledger has none."""

    digest: str
    tag: str | None


@dataclass(frozen=True, kw_only=True)
class Trail:
    """The history of an alias in one registry, the oldest first, without what was rolled back.

    `held` are the exact tags that it was rolled back from, and those that it skipped: all that the
    ledger had for the repository at the rollback, except for the stops before.
    """

    stops: tuple[Stop, ...]
    held: frozenset[str]

    @property
    def last(self) -> str | None:
        """The digest that the alias points to, by the ledger."""
        return self.stops[-1].digest if self.stops else None

    def before(self, now: str) -> Stop | None:
        """The stop before the digest `now`, which the alias points to.

        If that is an earlier stop, a rollback was not recorded: then it is that stop.
        """
        if now == self.last:
            found = self.stops[:-1]
        else:
            found = tuple(each for each in self.stops if each.digest == now) or self.stops
        return found[-1] if found else None


@dataclass(frozen=True, kw_only=True)
class Past:
    """What the ledger knows of a repository in one registry.

    By alias: `held` are the exact tags that it must not point to, `last` is the digest that it
    moved to last. `published` are the digests of all images that were ever published there, `tags`
    their exact tags. `elsewhere`: other registries hold images of the repository.
    """

    held: Mapping[str, frozenset[str]]
    last: Mapping[str, str]
    published: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    elsewhere: bool = False


def past(releases: Iterable[Release], host: str, repository: str) -> Past:
    """The history of all aliases of a repository, and of its images."""
    records = tuple(releases)
    here = (host, repository)
    aliases = {e.alias for e in history.moves(records) if (e.host, e.repository) == here}
    named = [image for _, image in history.images(records) if image.repository == repository]
    images = [image for image in named if host in image.hosts]
    trails = {alias: trail(records, host, repository, alias) for alias in sorted(aliases)}
    return Past(
        held={alias: each.held for alias, each in trails.items()},
        last={alias: each.last for alias, each in trails.items() if each.last is not None},
        published=frozenset(image.digest for image in images),
        tags=frozenset(image.tag for image in images),
        elsewhere=any({*image.hosts} - {host} for image in named),
    )


def trail(releases: Iterable[Release], host: str, repository: str, alias: str) -> Trail:
    """Follow an alias through the ledger, in one registry."""
    records = tuple(releases)
    tags = {
        image.digest: image.tag
        for _, image in history.images(records)
        if repository == image.repository
    }
    stops: list[Stop] = []
    back: set[str | None] = set()
    there: set[str | None] = set()
    for release in records:
        there |= {
            image.tag
            for image in release.images
            if image.repository == repository and host in image.hosts
        }
        for move in release.moves:
            if (move.host, move.repository, move.alias) != (host, repository, alias):
                continue
            if release.action is Action.PUBLISH and _is_known(stops, move.before, move.after):
                continue
            if move.before is not None and not _at(stops, move.before):  # moved by another tool
                stops.append(Stop(digest=move.before, tag=tags.get(move.before)))
            if release.action is Action.ROLLBACK:
                taken = {each.tag for each in _taken_back(stops, move.after)}
                back |= taken | (there - {each.tag for each in stops})
            if not _at(stops, move.after):
                stops.append(Stop(digest=move.after, tag=move.tag))
            back.discard(move.tag)
    return Trail(stops=tuple(stops), held=frozenset(tag for tag in back if tag is not None))


def _is_known(stops: Sequence[Stop], before: str | None, after: str) -> bool:
    """Whether a move repeats the last one: two runs may have recorded it."""
    known = [None, *(each.digest for each in stops)]
    return known[-2:] == [before, after]


def _at(stops: Sequence[Stop], digest: str) -> bool:
    return bool(stops) and stops[-1].digest == digest


def _taken_back(stops: list[Stop], digest: str) -> list[Stop]:
    """Remove the stops after the last one at `digest`, and return them.

    Without such a stop, the alias went to a new image: return the last stop, without removing it.
    """
    place = max((i for i, each in enumerate(stops) if each.digest == digest), default=None)
    if place is None:
        return stops[-1:]
    taken = stops[place + 1 :]
    del stops[place + 1 :]
    return taken
