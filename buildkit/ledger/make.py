"""Published images and moved aliases -> a record of the ledger."""

from __future__ import annotations

import secrets
from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from buildkit.contract import verdict
from buildkit.ledger.record import Image, Release, Verdict
from buildkit.model.image import Status
from buildkit.support import manual

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildkit.ledger.record import Action, Move
    from buildkit.model.image import Published, Report


def release(
    action: Action,
    commit: str | None,
    *,
    images: Iterable[Image] = (),
    moves: Iterable[Move] = (),
) -> Release:
    """A new record, with the current time and version of buildkit."""
    now = datetime.now(timezone.utc)
    return Release(
        # Microseconds and three random digits: unique, and sorted by time.
        id=f"{now:%Y%m%dT%H%M%S}-{now.microsecond:05x}{secrets.randbelow(1 << 12):03x}",
        time=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        action=action,
        tool=manual.version(),
        commit=commit,
        images=tuple(images),
        moves=tuple(moves),
    )


def image(published: Published) -> Image:
    """The entry of an image in a record."""
    built = published.verified.built
    target = built.target
    return Image(
        target=target.id,
        name=target.name,
        version=target.version,
        device=target.device.value,
        python=target.python,
        purpose=target.purpose.value,
        repository=target.repository,
        tag=target.tag,
        digest=published.digest,
        config_digest=built.config_digest,
        size=published.size,
        locations=tuple(each.uri for each in published.locations),
        origin=built.origin,
        verdict=_verdict(published.verified.report),
        build_seconds=built.seconds,
        layers=tuple((each.digest, each.size) for each in published.layers),
    )


def _verdict(report: Report) -> Verdict:
    counts = Counter(each.status for each in report.clauses)
    return Verdict(
        profile=report.profile,
        suite=report.suite,
        passed=counts[Status.PASS],
        warned=counts[Status.WARN],
        skipped=counts[Status.SKIP],
        seconds=report.seconds,
        untried=verdict.untried(report),
    )
