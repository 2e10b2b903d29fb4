"""Tested images -> registries, one at a time, and the record of what came of each."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from buildkit import records
from buildkit.aliases.moves import Moves
from buildkit.model.image import Published, Staged
from buildkit.model.names import LONGEST_TAG
from buildkit.model.tag_filters import CACHE
from buildkit.support.errors import BuildkitError
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from buildkit.aliases.follow import Known
    from buildkit.engine.engine import Engine
    from buildkit.ledger.record import Release
    from buildkit.model.image import InRegistries, Verified
    from buildkit.model.outcome import Outcome
    from buildkit.model.target import Target
    from buildkit.publish.publisher import Publisher
    from buildkit.records import Kind

Value = TypeVar("Value", Staged, Published)


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Sends images through a publisher, and keeps records of it.

    `releases` are the records that the ledger had before anything was sent. `build_cache`: the
    registry keeps the steps of builds, too.
    """

    publisher: Publisher
    records: records.Records
    releases: tuple[Release, ...] = ()
    build_cache: bool = False

    @property
    def since(self) -> frozenset[str]:
        """The ids of these records."""
        return frozenset(each.id for each in self.releases)

    def caches(self, targets: Iterable[Target]) -> dict[str, str]:
        """The tag of the first registry that keeps the steps of each target's builds, by id.

        Only runs that publish have a sender, so no pull request of a fork writes there. Creates
        missing repositories. Raises ToolError.
        """
        if not self.build_cache:
            return {}
        first = self.publisher.destinations[0]
        found = {}
        for target in targets:
            first.have_repository(target.repository)
            found[target.id] = f"{first.registry.host}/{target.repository}:{_cache(target)}"
        return found

    @contextmanager
    def sending(self, engine: Engine) -> Iterator[Sender]:
        """The same, for the images of an engine."""
        from buildkit.publish import packing  # noqa: PLC0415 - only for images to upload

        with packing.packer(engine) as packer:
            yield replace(self, publisher=replace(self.publisher, packer=packer))

    def stage(self, outcome: Outcome) -> Outcome:
        """Upload a verified image without its tag; check that one that is staged is still there.

        Returns the outcome with the staged image, or with the error.
        """
        publisher, staged = self.publisher, outcome.staged
        return self._sent(
            outcome,
            records.STAGED,
            lambda: publisher.check(staged) if staged else publisher.stage(_verified(outcome)),
        )

    def publish(self, outcome: Outcome) -> Outcome:
        """Upload a verified image, unless it is staged, and tag it.

        Returns the outcome with the published image, or with the error.
        """
        publisher, staged = self.publisher, outcome.staged
        return self._sent(
            outcome,
            records.PUBLISHED,
            lambda: publisher.release(staged) if staged else publisher.publish(_verified(outcome)),
        )

    def move_aliases(
        self, targets: Sequence[Target], published: Sequence[InRegistries], known: Known
    ) -> Moves:
        """Move the aliases of the targets to where they belong, if all targets are published."""
        if not any(target.family for target in targets):
            return Moves()
        if lacking := len(targets) - len(published):
            of = len(targets)
            console.say(f"aliases not moved: {lacking} of {of} targets were not published")
            return Moves()
        from buildkit.aliases import follow  # noqa: PLC0415 - ordering versions takes long to load

        return follow.move(self.publisher.registries, targets, known)

    def _sent(self, outcome: Outcome, kind: Kind[Value], send: Callable[[], Value]) -> Outcome:
        """Send, and keep the record; the outcome has a field of the kind's name."""
        try:
            sent = send()
            self.records.write(kind, outcome.target.id, sent)
        except BuildkitError as error:
            return replace(outcome, staged=None, error=error)
        changes: dict[str, Any] = {"staged": None, kind.name: sent}
        return replace(outcome, **changes)


def _cache(target: Target) -> str:
    """One tag for all revisions of a version: an image that changes gets a new revision."""
    parts = (target.name, target.framework_version, target.device.value, target.python)
    return f"{CACHE}{'-'.join((*parts, target.purpose.value))}"[:LONGEST_TAG]


def _verified(outcome: Outcome) -> Verified:
    assert outcome.verified is not None, "only verified images are sent"
    return outcome.verified
