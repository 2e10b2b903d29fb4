"""Questions to the ledger: what is known of an image. Pure."""

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
"""Digests that are offered in the place of one that nobody knows."""


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


def tagged(releases: Iterable[Release], repository: str, tag: str) -> Image | None:
    """The image that was last given an exact tag, None if none was."""
    return next(
        (
            image
            for _, image in images(releases)
            if (image.repository, image.tag) == (repository, tag)
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


def news(release: Release, others: Iterable[Release]) -> Release | None:
    """What of a record none of the others has; None if that is nothing.

    Others may have published the same images, and moved the same aliases, at the same time.
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
