"""The images that this project has published, by the ledger alone: their places, and one by URI."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from buildkit.ledger import history, ledger
from buildkit.ledger.record import Action
from buildkit.model.hosts import ECR_HOST, one_name
from buildkit.support.suggest import near_to

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from buildkit.ledger.record import Image, Move, Release
    from buildkit.prebuilt.reverse import Parts
    from buildkit.uri.asked import Asked

BOTH = ("training", "inference")
"""The purposes of an image for `both`."""


class Place(NamedTuple):
    """An image in one registry. `account` and `region` are those of ECR, None elsewhere."""

    image: Image
    record: str
    uri: str
    account: str | None
    region: str | None

    @property
    def host(self) -> str:
        return self.image.host_of(self.uri)

    @property
    def digest_uri(self) -> str:
        return f"{self.host}/{self.image.repository}@{self.image.digest}"


def releases(asked: Asked, *words: str) -> tuple[Release, ...]:
    """The records of the ledger beside images.toml, those with these words, if there are any.

    Raises ToolError, UsageError.
    """
    book = ledger.file_beside(asked.file, allow_outside=asked.allow_outside)
    return ledger.read_file(book, words)


def places(records: Iterable[Release], action: Action = Action.PUBLISH) -> tuple[Place, ...]:
    """All places of all images that were published, or copied, the oldest record first."""
    found = []
    for record in records:
        for image in record.images if record.action is action else ():
            for uri in image.locations:
                host = ECR_HOST.fullmatch(uri.partition("/")[0].partition(":")[0])
                account, region = (host["account"], host["region"]) if host else (None, None)
                found.append(Place(image, record.id, uri, account, region))
    return tuple(found)


def purposes(image: Image) -> tuple[str, ...]:
    return BOTH if image.purpose == "both" else (image.purpose,)


class About(NamedTuple):
    """What the ledger says about a URI: an image of this project, a copy of one, or an alias.

    `place` is None for an unknown image in a repository that the ledger knows.
    """

    place: Place | None
    newer_of: tuple[Place, ...]
    notes: tuple[str, ...]


def about(records: Sequence[Release], parts: Parts) -> About | None:
    """None for a repository that is not in the ledger."""
    made = _here(places(records), parts)
    copies = _here(places(records, Action.PROMOTE), parts)
    alias = (one_name(parts.host), parts.repository, parts.tag)
    moves = [
        each
        for each in history.moves(records)
        if (one_name(each.host), each.repository, each.alias) == alias
    ]
    if not (made or copies or moves):
        return None
    known = [*copies, *made]
    exact = (each.image.digest for each in known if each.image.tag == parts.tag)
    tagged = next(exact, moves[-1].after if moves else None)  # an exact tag never moves
    place = next((each for each in known if each.image.digest == (parts.digest or tagged)), None)
    place = place or next((each for each in known if each.image.digest == tagged), None)
    notes = tuple(_notes(known, moves, parts, tagged))
    if place in copies:
        notes += ("a copy made by `buildkit promote`; `buildkit uri` prints the original",)
    alike = [each for each in known if place is not None and each.image.cell == place.image.cell]
    return About(place, tuple(alike), notes)


def _here(known: Iterable[Place], parts: Parts) -> list[Place]:
    """The places in that repository, the last one first."""
    here = (one_name(parts.host), parts.repository)
    return [each for each in known if (one_name(each.host), each.image.repository) == here][::-1]


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
