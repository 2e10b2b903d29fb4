"""Images that targets are built from, which have another digest behind the same tag now."""

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
    from collections.abc import Iterator, Mapping, Sequence

    from buildkit.config.network import Network
    from buildkit.ledger.record import Image, Release
    from buildkit.model.target import Target

UNCOMPARED = "neither locked nor released, so there is no digest to compare; `buildkit lock`"


def find(
    targets: Sequence[Target], releases: Sequence[Release], network: Network
) -> Iterator[Finding]:
    """The images of targets that are locked or released; others are unknown."""
    released = history.by_tag(releases)
    used: dict[Target, Mapping[str, str]] = {}
    for target in targets:
        digests = target.images
        if digests[target.base] is None:
            image = released.get((target.repository, target.tag))
            digests[target.base] = _released(target, image, network)
        tagged = bases.tagged(digests)
        for name in tagged:
            if digests[name] is None:
                yield Finding(
                    kind=Kind.BASE, name=name, targets=(target.id,), now=None, unknown=UNCOMPARED
                )
        used[target] = {
            name: digest for name, digest in digests.items() if digest and name in tagged
        }
    there = served((replace(each, pins=Pins()) for each, known in used.items() if known), network)
    for target, known in used.items():
        for name, before in known.items():
            after, why = there.served.get(name), there.unknown.get(name)
            if after != before:
                yield Finding(
                    kind=Kind.BASE,
                    name=name,
                    targets=(target.id,),
                    now=before,
                    newest=() if after is None else (after,),
                    unknown=why,
                )


def _released(target: Target, image: Image | None, network: Network) -> str | None:
    """The digest of the base of the released image, if it has the same base."""
    if image is None or image.origin is None:
        return None
    same = (target.base, substitution.substitute(target.base, network.substitutes))
    return image.origin.base_digest if image.origin.base.partition("@")[0] in same else None
