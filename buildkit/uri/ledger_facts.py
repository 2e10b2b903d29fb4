"""What the ledger says about a URI: an image of this project, a copy of one, or an alias."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from buildkit.ledger import history
from buildkit.ledger.record import Action
from buildkit.support.suggest import near_to
from buildkit.uri import published

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from buildkit.ledger.record import Move, Release
    from buildkit.prebuilt.reverse import Parts
    from buildkit.uri.published import Place


class About(NamedTuple):
    """`place` is None for an unknown image in a repository that the ledger knows."""

    place: Place | None
    newer_of: tuple[Place, ...]
    notes: tuple[str, ...]


def about(releases: Sequence[Release], parts: Parts) -> About | None:
    """None for a repository that is not in the ledger."""
    made = _here(published.places(releases), parts)
    copies = _here(published.places(releases, Action.PROMOTE), parts)
    alias = (parts.host, parts.repository, parts.tag)
    moves = [e for e in history.moves(releases) if (e.host, e.repository, e.alias) == alias]
    if not (made or copies or moves):
        return None
    known = [*copies, *made]
    tagged = _digest_of(known, moves, parts)
    place = next((each for each in known if each.image.digest == (parts.digest or tagged)), None)
    place = place or next((each for each in known if each.image.digest == tagged), None)
    notes = tuple(_notes(known, moves, parts, tagged))
    if place in copies:
        notes += ("a copy made by `buildkit promote`; `buildkit uri` prints the original",)
    alike = [each for each in known if place is not None and each.image.cell == place.image.cell]
    return About(place, tuple(alike), notes)


def _here(places: Iterable[Place], parts: Parts) -> list[Place]:
    """The places in that repository, the last one first."""
    here = (parts.host, parts.repository)
    return [each for each in places if (each.host, each.image.repository) == here][::-1]


def _digest_of(known: Iterable[Place], moves: Sequence[Move], parts: Parts) -> str | None:
    """The digest of the tag: an exact tag never moves; for an alias, the last move counts."""
    exact = (each.image.digest for each in known if each.image.tag == parts.tag)
    return next(exact, moves[-1].after if moves else None)


def _notes(
    known: Iterable[Place], moves: Sequence[Move], parts: Parts, tagged: str | None
) -> Iterator[str]:
    if parts.tag is not None and tagged is None:
        tags = dict.fromkeys(each.image.tag for each in known)
        near = near_to(parts.tag, tuple(tags))
        yield f"the ledger has no tag `{parts.tag}` of this repository; {near}"
    elif moves and tagged == moves[-1].after:
        yield f"`{parts.tag}` is an alias; according to the ledger it points to `{moves[-1].tag}`"
    if parts.digest is not None and tagged not in (None, parts.digest):
        yield f"tag and digest name different images: `{parts.tag}` points to {tagged}"
    if parts.digest not in (None, *(each.image.digest for each in known)):
        yield "digest not found in the ledger"
