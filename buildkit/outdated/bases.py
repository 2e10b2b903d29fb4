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
    from buildkit.ledger.record import Release
    from buildkit.model.target import Target


def find(
    targets: Sequence[Target], releases: Sequence[Release], network: Network
) -> Iterator[Finding]:
    """The bases of targets that are locked or released; nothing is known of others."""
    used = {
        target: digest
        for target in targets
        if bases.of([target]) and (digest := _digest(target, releases, network)) is not None
    }
    now = served((replace(each, pins=Pins()) for each in used), network)
    for target, before in used.items():
        after, why = now.served.get(target.base), now.unknown.get(target.base)
        if after != before:
            yield Finding(
                kind=Kind.BASE,
                name=target.base,
                targets=(target.id,),
                now=before,
                newest=() if after is None else (after,),
                unknown=why,
            )


def _digest(target: Target, releases: Sequence[Release], network: Network) -> str | None:
    """The digest in images.lock, or else that of the released image, if it has the same base."""
    if target.pins.base is not None:
        return target.pins.base
    image = history.tagged(releases, target.repository, target.tag)
    if image is None or image.origin is None:
        return None
    same = (target.base, substitution.substitute(target.base, network.substitutes))
    return image.origin.base_digest if image.origin.base in same else None
