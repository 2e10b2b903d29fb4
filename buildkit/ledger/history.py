"""Questions to the ledger about images. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from buildkit.ledger.record import Action
from buildkit.support.errors import NothingSelectedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from buildkit.ledger.record import Image, Move, Release
    from buildkit.model.image import Published

DIGEST = re.compile(r"(?:sha256:)?(?P<hex>[0-9a-f]{12,64})")
NEAR = 5
"""Digests to suggest for one that is not found."""


def images(releases: Iterable[Release]) -> Iterator[tuple[Release, Image]]:
    """Every image of every record, the newest record first."""
    for release in reversed(tuple(releases)):
        for image in release.images:
            yield release, image


def moves(releases: Iterable[Release]) -> Iterator[Move]:
    """Every move of an alias, the oldest first."""
    return (move for release in releases for move in release.moves)


def latest(releases: Iterable[Release], target_id: str) -> Image | None:
    """The image of a target that was published last; promotions are copies, and do not count."""
    published = [each for each in releases if each.action is Action.PUBLISH]
    return next((each for _, each in images(published) if each.target == target_id), None)


def tagged(releases: Iterable[Release], repository: str, tag: str) -> Image | None:
    """The image that got an exact tag last, None if the ledger has none."""
    wanted = (repository, tag)
    return next((e for _, e in images(releases) if (e.repository, e.tag) == wanted), None)


def by_tag(releases: Iterable[Release]) -> dict[tuple[str, str], Image]:
    """The image that got each exact tag last, by repository and tag: `tagged` for many targets."""
    return {(e.repository, e.tag): e for _, e in reversed(tuple(images(releases)))}


def knows(releases: Iterable[Release], published: Published) -> bool:
    """Whether the ledger has this image in all registries where it is published."""
    places = {
        place
        for _, image in images(releases)
        if image.digest == published.digest
        for place in image.locations
    }
    return {each.uri for each in published.locations} <= places


def news(release: Release, others: Iterable[Release]) -> Release | None:
    """The part of a record that the other records lack; None if they have all of it.

    Other runs may have published the same images, and moved the same aliases, at the same time.
    """
    records = tuple(others)
    places = {(image.digest, uri) for _, image in images(records) for uri in image.locations}
    last = {_alias(move): move.after for move in moves(records)}
    found = replace(
        release,
        images=tuple(
            each
            for each in release.images
            if not {(each.digest, u) for u in each.locations} <= places
        ),
        moves=tuple(each for each in release.moves if last.get(_alias(each)) != each.after),
    )
    return found if found.images or found.moves else None


def _alias(move: Move) -> tuple[str, str, str]:
    return move.host, move.repository, move.alias


def by_digest(releases: Sequence[Release], text: str) -> tuple[Image, ...]:
    """All entries of the image whose digest begins with `text`, the newest first.

    Raises UsageError if that is not a digest, or several begin so; NothingSelectedError for none.
    """
    match = DIGEST.fullmatch(text)
    if match is None:
        raise UsageError(
            f"`{text}` is not a digest, which is `sha256:` and at least 12 hexadecimal digits",
            hint="run `buildkit releases` to see the digests",
        )
    start = f"sha256:{match['hex']}"
    targets: dict[str, str] = {}  # the newest image of each digest
    for _, image in images(releases):
        targets.setdefault(image.digest, image.target)
    digests = [digest for digest in targets if digest.startswith(start)]
    if len(digests) > 1:
        raise UsageError(
            f"`{text}` matches {len(digests)} digests: {', '.join(digests)}",
            hint="write more digits",
        )
    if not digests:
        from difflib import get_close_matches  # noqa: PLC0415 - only for this error

        near = get_close_matches(start, targets, NEAR) or [*targets][:NEAR]
        raise NothingSelectedError(
            f"image `{text}` not found in the ledger",
            details="\n".join(f"  {digest}  {targets[digest]}" for digest in near),
            hint="run `buildkit releases` to see all published images",
        )
    return tuple(image for _, image in images(releases) if image.digest == digests[0])


def by_id(releases: Sequence[Release], text: str) -> Release:
    """The record whose id begins with `text`. Raises UsageError, NothingSelectedError."""
    found = [release for release in releases if release.id.startswith(text)]
    if len(found) > 1:
        raise UsageError(
            f"`{text}` matches {len(found)} records: " + ", ".join(release.id for release in found),
            hint="write more characters",
        )
    if not found or not text:
        raise NothingSelectedError(
            f"record `{text}` not found in the ledger",
            hint="run `buildkit releases` to see the ids",
        )
    return found[0]


def repositories(releases: Iterable[Release]) -> frozenset[str]:
    return frozenset(image.repository for _, image in images(releases))


def repositories_of_alias(releases: Iterable[Release], alias: str) -> frozenset[str]:
    """The repositories in which an alias was ever moved."""
    return frozenset(each.repository for each in moves(releases) if each.alias == alias)


def hosts_of_alias(releases: Iterable[Release], repository: str, alias: str) -> tuple[str, ...]:
    """The registries in which an alias was ever moved, in the order of the first moves."""
    found = (e for e in moves(releases) if (e.repository, e.alias) == (repository, alias))
    return tuple(dict.fromkeys(each.host for each in found))


def exact_tags(releases: Iterable[Release], repository: str) -> frozenset[str]:
    """The tags of a repository that never move."""
    return frozenset(each.tag for _, each in images(releases) if each.repository == repository)
