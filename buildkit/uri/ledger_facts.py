"""What the ledger tells of a URI: an image of this project, a copy of one, or an alias."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from buildkit.ledger import lookup
from buildkit.ledger.record import Action
from buildkit.support.suggest import near_to

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from buildkit.ledger.lookup import Place
    from buildkit.ledger.record import Move, Release
    from buildkit.prebuilt.reverse import Parts


class Told(NamedTuple):
    """`place` is None for an image that the ledger does not have, in a repository that it has."""

    place: Place | None
    newer_of: tuple[Place, ...]
    notes: tuple[str, ...]


def told(releases: Sequence[Release], parts: Parts) -> Told | None:
    """None for a repository of others."""
    made = _here(lookup.places(releases), parts)
    copies = _here(lookup.places(releases, Action.PROMOTE), parts)
    moves = [
        move
        for release in releases
        for move in release.moves
        if (move.host, move.repository, move.alias) == (parts.host, parts.repository, parts.tag)
    ]
    if not (made or copies or moves):
        return None
    known = [*copies, *made]
    tagged = _digest_of(known, moves, parts)
    place = next((each for each in known if each.image.digest == (parts.digest or tagged)), None)
    place = place or next((each for each in known if each.image.digest == tagged), None)
    notes = tuple(_notes(known, moves, parts, tagged))
    if place in copies:
        notes += ("a copy, which `buildkit promote` made: `buildkit uri` names what was published",)
    return Told(place, tuple(each for each in known if _is_like(each, place)), notes)


def _here(places: Iterable[Place], parts: Parts) -> list[Place]:
    """Those in that repository, the last one first."""
    here = (parts.host, parts.repository)
    return [each for each in places if (each.host, each.image.repository) == here][::-1]


def _digest_of(known: Iterable[Place], moves: Sequence[Move], parts: Parts) -> str | None:
    """What the tag is at by now: an exact one never moves, of an alias the last move counts."""
    exact = (each.image.digest for each in known if each.image.tag == parts.tag)
    return next(exact, moves[-1].after if moves else None)


def _notes(
    known: Iterable[Place], moves: Sequence[Move], parts: Parts, tagged: str | None
) -> Iterator[str]:
    if parts.tag is not None and tagged is None:
        tags = dict.fromkeys(each.image.tag for each in known)
        yield f"the ledger has no tag `{parts.tag}` of it; {near_to(parts.tag, tuple(tags))}"
    elif moves and tagged == moves[-1].after:
        yield f"`{parts.tag}` is an alias, by the ledger at `{moves[-1].tag}`"
    if parts.digest is not None and tagged not in (None, parts.digest):
        yield f"the tag and the digest are two images: `{parts.tag}` is at {tagged}"
    if parts.digest not in (None, *(each.image.digest for each in known)):
        yield "the ledger has no such digest of it"


def _is_like(one: Place, other: Place | None) -> bool:
    """Whether they may be newer and older: the same but for the version."""
    return other is not None and _but_for_version(one) == _but_for_version(other)


def _but_for_version(place: Place) -> tuple[str, ...]:
    return place.image.name, place.image.device, place.image.python, place.image.purpose
