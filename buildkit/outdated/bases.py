"""Base images that have another digest behind the same tag now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from buildkit.config import substitution
from buildkit.ledger import history
from buildkit.lock import bases
from buildkit.model.target import Pins
from buildkit.outdated.finding import Finding, Kind
from buildkit.plan.bases import served

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildkit.config.network import Network
    from buildkit.ledger.record import Image, Release
    from buildkit.model.target import Target


def find(
    targets: Sequence[Target], releases: Sequence[Release], network: Network
) -> Iterator[Finding]:
    """The bases of targets that are locked or released; nothing is known of others."""
    released = history.by_tag(releases)
    used = {}
    for target in targets:
        digest = _digest(target, released.get((target.repository, target.tag)), network)
        if digest is not None and bases.of([target]):
            used[target] = digest
    there = served((replace(each, pins=Pins()) for each in used), network)
    for target, before in used.items():
        after, why = there.served.get(target.base), there.unknown.get(target.base)
        if after != before:
            yield Finding(
                kind=Kind.BASE,
                name=target.base,
                targets=(target.id,),
                now=before,
                newest=() if after is None else (after,),
                unknown=why,
            )


def _digest(target: Target, image: Image | None, network: Network) -> str | None:
    """The digest in images.lock, or else that of the released image, if it has the same base."""
    if target.pins.base is not None:
        return target.pins.base
    if image is None or image.origin is None:
        return None
    same = (target.base, substitution.substitute(target.base, network.substitutes))
    return image.origin.base_digest if image.origin.base.partition("@")[0] in same else None
