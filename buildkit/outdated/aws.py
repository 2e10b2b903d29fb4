"""AWS's prebuilt images as bases: newer ones in the same repository, by the data in `prebuilt`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.outdated.finding import Finding, Kind
from buildkit.prebuilt import naming, reverse
from buildkit.support.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildkit.model.target import Target
    from buildkit.prebuilt.facts import Entry
    from buildkit.prebuilt.reverse import Parts


def find(targets: Sequence[Target]) -> Iterator[Finding]:
    for base in dict.fromkeys(each.base for each in targets):
        try:
            parts = reverse.parse(base)
        except UsageError:
            continue
        newest = _newest(parts) if reverse.is_of_aws(parts) else ()
        if newest:
            yield Finding(
                kind=Kind.PREBUILT,
                name=parts.repository,
                targets=tuple(each.id for each in targets if each.base == base),
                now=parts.tag,
                newest=newest,
            )


def _newest(parts: Parts) -> tuple[str, ...]:
    """The tags of the newest image with the same Python, and of the newest of all, if newer."""
    known = reverse.known(parts)
    if not known:
        return ()
    now = known[0].entry
    alike = [
        each
        for each in reverse.images(parts)
        if (each.purpose, each.device, each.family) == (now.purpose, now.device, now.family)
        and (parts.region is None or parts.region in each.regions)
    ]
    chosen = (_last(now, [e for e in alike if e.python == now.python]), _last(now, alike))
    return tuple(dict.fromkeys(naming.named(each)[1] for each in chosen if each is not None))


def _last(now: Entry, entries: Sequence[Entry]) -> Entry | None:
    """The entry with the newest version and Python; None if that version is not newer."""
    pythons = naming.newest_first(each.python or "" for each in entries)
    versions = naming.newest_first((now.names[0], *(each.names[0] for each in entries)))
    if versions[0] == now.names[0]:
        return None
    found = [each for each in entries if each.names[0] == versions[0]]
    return min(found, key=lambda each: pythons.index(each.python or ""))
