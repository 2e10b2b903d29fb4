"""What is known of a target before a run: its identity, its records, and what registries serve."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.model.image import Built, Origin
    from buildkit.model.target import Target
    from buildkit.plan.identity import Identity
    from buildkit.plan.served import Served


class State(str, Enum):
    """How far a target has come, by its inputs of now.

    `published`: all registries serve the image. `tested`: this very image has passed its test here.
    `built`: it is in the engine. `refused`: its tag is taken by another image.
    """

    PUBLISHED = "published"
    TESTED = "tested"
    BUILT = "built"
    TODO = "to do"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of one target before a run.

    `served` is what each registry of the run serves; empty if the run does not publish. `built` is
    the newest build here; `untested` says why it has to be tested, and is empty if it has passed
    the test of now. `recorded` is the origin of the image that the ledger has under this tag.
    `parts` are those of the inputs now. `noted`: the ledger has the image of each registry.
    """

    target: Target
    identity: Identity
    served: Sequence[Served] = ()
    built: Built | None = None
    untested: str = ""
    recorded: Origin | None = None
    parts: Sequence[tuple[str, str]] = ()
    noted: bool = True

    @property
    def here(self) -> Built | None:
        """The newest build, if it has the identity that is wanted."""
        origin = self.built.origin if self.built else None
        same = origin is not None and origin.identity == self.identity.digest
        return self.built if same and origin and origin.identity else None

    @property
    def before(self) -> Origin | None:
        """What the newest image of this target was made from, here or else by the ledger."""
        return (self.built.origin if self.built else None) or self.recorded

    @property
    def lacking(self) -> tuple[str, ...]:
        """The registries in which the tag is free."""
        return tuple(e.host for e in self.served if e.digest is None and e.error is None)
