"""Questions to the ledger: what is known of an image, where an alias has been. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.errors import NothingSelectedError, UsageError
from buildkit.releases.record import Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from buildkit.model import Published
    from buildkit.releases.record import Image, Release

DIGEST = re.compile(r"(?:sha256:)?(?P<hex>[0-9a-f]{12,64})")
NEAR = 5
"""Digests that are offered in the place of one that nobody knows."""


@dataclass(frozen=True, kw_only=True)
class Stop:
    """An image that an alias was at. `tag` is its exact tag, None if the ledger never saw it."""

    digest: str
    tag: str | None


@dataclass(frozen=True, kw_only=True)
class Trail:
    """Where an alias has been in one registry, the oldest first, without what was taken back.

    `held` are the exact tags that it was taken back from, and those that it passed over: whatever
    the repository had on record when it went back, but for what it was at before.
    """

    stops: tuple[Stop, ...]
    held: frozenset[str]

    def before(self, now: str) -> Stop | None:
        """Where the alias was before it came to the digest at which it is now."""
        earlier = self.stops[:-1] if self.stops and self.stops[-1].digest == now else self.stops
        return earlier[-1] if earlier else None


@dataclass(frozen=True, kw_only=True)
class Past:
    """What the ledger knows of a repository in one registry, when it is asked where aliases belong.

    By alias: `held` are the exact tags that it must not be at, `last` is the digest that it was
    last moved to. `published` are the digests of all images that were ever put there.
    """

    held: Mapping[str, frozenset[str]]
    last: Mapping[str, str]
    published: frozenset[str] = frozenset()


def images(releases: Iterable[Release]) -> Iterator[tuple[Release, Image]]:
    """Every image of every record, the newest record first."""
    for release in reversed(tuple(releases)):
        for image in release.images:
            yield release, image


def latest(releases: Iterable[Release], target_id: str) -> Image | None:
    """What was last published of a target, by `publish`: a promotion is a copy of it."""
    return next(
        (
            image
            for release, image in images(releases)
            if image.target == target_id and release.action is Action.PUBLISH
        ),
        None,
    )


def knows(releases: Iterable[Release], published: Published) -> bool:
    """Whether this image is on record in all the places where it is published."""
    places = {
        place
        for _, image in images(releases)
        if image.digest == published.digest
        for place in image.locations
    }
    return {each.uri for each in published.locations} <= places


def by_digest(releases: Iterable[Release], text: str) -> tuple[Image, ...]:
    """All that is on record of the image whose digest begins so, the newest first.

    Raises UsageError for what is no digest, or begins several; NothingSelectedError for none.
    """
    match = DIGEST.fullmatch(text)
    if match is None:
        raise UsageError(
            f"`{text}` is no digest: `sha256:` and 64 hexadecimal digits, of which 12 are enough",
            hint="`buildkit releases` shows the digests",
        )
    start = f"sha256:{match['hex']}"
    known = tuple(image for _, image in images(releases))
    found = tuple(image for image in known if image.digest.startswith(start))
    digests = tuple(dict.fromkeys(image.digest for image in found))
    if len(digests) > 1:
        raise UsageError(
            f"`{text}` is the beginning of {len(digests)} digests: {', '.join(digests)}",
            hint="give more of it",
        )
    if not found:
        from difflib import get_close_matches  # noqa: PLC0415 - an answer has no need of it

        near = get_close_matches(start, dict.fromkeys(image.digest for image in known), NEAR)
        others = near or tuple(dict.fromkeys(image.digest for image in known))[:NEAR]
        raise NothingSelectedError(
            f"no record of the ledger has an image `{text}`",
            details="\n".join(
                f"  {digest}  {next(i for i in known if i.digest == digest).target}"
                for digest in others
            ),
            hint="only what was published, and so tested, is on record: `buildkit releases`",
        )
    return found


def by_id(releases: Sequence[Release], text: str) -> Release:
    """The record whose id begins so. Raises UsageError, NothingSelectedError."""
    found = [release for release in releases if release.id.startswith(text)]
    if len(found) > 1:
        raise UsageError(
            f"`{text}` is the beginning of {len(found)} records: "
            + ", ".join(release.id for release in found),
            hint="give more of it",
        )
    if not found or not text:
        raise NothingSelectedError(
            f"the ledger has no record `{text}`", hint="`buildkit releases` shows the ids"
        )
    return found[0]


def repositories(releases: Iterable[Release]) -> frozenset[str]:
    return frozenset(image.repository for _, image in images(releases))


def repositories_of_alias(releases: Iterable[Release], alias: str) -> frozenset[str]:
    """Those in which an alias has ever been moved."""
    moves = (move for release in releases for move in release.moves)
    return frozenset(each.repository for each in moves if each.alias == alias)


def exact_tags(releases: Iterable[Release], repository: str) -> frozenset[str]:
    """Tags of a repository that are never moved."""
    return frozenset(each.tag for _, each in images(releases) if each.repository == repository)


def hosts_of_alias(releases: Iterable[Release], repository: str, alias: str) -> tuple[str, ...]:
    """The registries in which an alias has ever been moved."""
    found = (move for release in releases for move in release.moves)
    return tuple(
        dict.fromkeys(
            each.host for each in found if (each.repository, each.alias) == (repository, alias)
        )
    )


def held(releases: Iterable[Release], host: str, repository: str, alias: str) -> frozenset[str]:
    """Exact tags that an alias was rolled back from, and that were not promoted again since.

    Whoever decides by versions where the alias belongs leaves them out.
    """
    return trail(releases, host, repository, alias).held


def past(releases: Iterable[Release], host: str, repository: str) -> Past:
    """The same for every alias of a repository, and where it is."""
    records = tuple(releases)
    aliases = {
        move.alias
        for release in records
        for move in release.moves
        if (move.host, move.repository) == (host, repository)
    }
    trails = {alias: trail(records, host, repository, alias) for alias in sorted(aliases)}
    return Past(
        held={alias: each.held for alias, each in trails.items()},
        last={alias: each.stops[-1].digest for alias, each in trails.items()},
        published=frozenset(
            image.digest
            for _, image in images(records)
            if image.repository == repository and host in image.hosts
        ),
    )


def trail(releases: Iterable[Release], host: str, repository: str, alias: str) -> Trail:
    """Follow an alias through the ledger, in one registry."""
    records = tuple(releases)
    tags = {
        image.digest: image.tag for _, image in images(records) if repository == image.repository
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
            if move.before is not None and not _at(stops, move.before):  # somebody else's doing
                stops.append(Stop(digest=move.before, tag=tags.get(move.before)))
            if release.action is Action.ROLLBACK:
                taken = {each.tag for each in _taken_back(stops, move.after)}
                back |= taken | (there - {each.tag for each in stops})
            if not _at(stops, move.after):
                stops.append(Stop(digest=move.after, tag=move.tag))
            back.discard(move.tag)
    return Trail(stops=tuple(stops), held=frozenset(tag for tag in back if tag is not None))


def _is_known(stops: Sequence[Stop], before: str | None, after: str) -> bool:
    """Whether a move is the last one again: two runs may have put it on record."""
    known = [None, *(each.digest for each in stops)]
    return known[-2:] == [before, after]


def _at(stops: Sequence[Stop], digest: str) -> bool:
    return bool(stops) and stops[-1].digest == digest


def _taken_back(stops: list[Stop], digest: str) -> list[Stop]:
    """Take away what came after the last stop at `digest`; the last one if there is none."""
    place = max((i for i, each in enumerate(stops) if each.digest == digest), default=None)
    keep = len(stops) - 1 if place is None else place + 1
    taken = stops[keep:]
    del stops[keep:]
    return taken
