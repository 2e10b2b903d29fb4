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


def latest(releases: Iterable[Release], target_id: str) -> Image | None:
    """The image of a target that was published last; promotions are copies, and do not count."""
    return next(
        (
            image
            for release, image in images(releases)
            if image.target == target_id and release.action is Action.PUBLISH
        ),
        None,
    )


def tagged(releases: Iterable[Release], repository: str, tag: str) -> Image | None:
    """The image that got an exact tag last, None if the ledger has none."""
    return next(
        (
            image
            for _, image in images(releases)
            if (image.repository, image.tag) == (repository, tag)
        ),
        None,
    )


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
    last = {_alias(move): move.after for each in records for move in each.moves}
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


def by_digest(releases: Iterable[Release], text: str) -> tuple[Image, ...]:
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
    known = tuple(image for _, image in images(releases))
    found = tuple(image for image in known if image.digest.startswith(start))
    digests = tuple(dict.fromkeys(image.digest for image in found))
    if len(digests) > 1:
        raise UsageError(
            f"`{text}` matches {len(digests)} digests: {', '.join(digests)}",
            hint="write more digits",
        )
    if not found:
        from difflib import get_close_matches  # noqa: PLC0415 - only for this error

        near = get_close_matches(start, dict.fromkeys(image.digest for image in known), NEAR)
        others = near or tuple(dict.fromkeys(image.digest for image in known))[:NEAR]
        raise NothingSelectedError(
            f"image `{text}` not found in the ledger",
            details="\n".join(
                f"  {digest}  {next(i for i in known if i.digest == digest).target}"
                for digest in others
            ),
            hint="run `buildkit releases` to see all published images",
        )
    return found


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
    moves = (move for release in releases for move in release.moves)
    return frozenset(each.repository for each in moves if each.alias == alias)


def exact_tags(releases: Iterable[Release], repository: str) -> frozenset[str]:
    """The tags of a repository that never move."""
    return frozenset(each.tag for _, each in images(releases) if each.repository == repository)


def hosts_of_alias(releases: Iterable[Release], repository: str, alias: str) -> tuple[str, ...]:
    """The registries in which an alias was ever moved."""
    found = (move for release in releases for move in release.moves)
    return tuple(
        dict.fromkeys(
            each.host for each in found if (each.repository, each.alias) == (repository, alias)
        )
    )
