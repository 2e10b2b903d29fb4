"""Tested images -> registries, one at a time, and the record of what came of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkit import records
from buildkit.support.errors import BuildkitError

if TYPE_CHECKING:
    from buildkit.model.image import Verified
    from buildkit.model.outcome import Outcome
    from buildkit.publish.connect import Delivery


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Sends images through a delivery, and keeps records of it.

    `since` are the ids of the records that the ledger had before anything was sent.
    """

    delivery: Delivery
    records: records.Records
    since: frozenset[str]

    def stage(self, outcome: Outcome) -> Outcome:
        """Upload a verified image without its tag; check that one that is staged is still there.

        Returns the outcome with the staged image, or with the error.
        """
        publisher = self.delivery.publisher
        try:
            if outcome.staged is not None:
                staged = publisher.check(outcome.staged)
            else:
                staged = publisher.stage(_verified(outcome))
            self.records.write(records.STAGED, outcome.target.id, staged)
        except BuildkitError as error:
            return replace(outcome, staged=None, error=error)
        return replace(outcome, staged=staged)

    def publish(self, outcome: Outcome) -> Outcome:
        """Upload a verified image, unless it is staged, and tag it.

        Returns the outcome with the published image, or with the error.
        """
        publisher = self.delivery.publisher
        try:
            if outcome.staged is not None:
                published = publisher.release(outcome.staged)
            else:
                published = publisher.publish(_verified(outcome))
            self.records.write(records.PUBLISHED, outcome.target.id, published)
        except BuildkitError as error:
            return replace(outcome, staged=None, error=error)
        return replace(outcome, staged=None, published=published)


def _verified(outcome: Outcome) -> Verified:
    assert outcome.verified is not None, "only verified images are sent"
    return outcome.verified
