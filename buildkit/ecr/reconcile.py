"""The repositories of every registry: compared with images.toml, and mended.

A repository belongs to this tool if it carries the tag of `keeping.OWNER`. Others are left alone.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from typing import TYPE_CHECKING

from buildkit.ecr import repositories
from buildkit.ecr.drift import drift
from buildkit.ecr.places import Api
from buildkit.support.errors import ToolError, UsageError
from buildkit.system import stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from buildkit.ecr.drift import Change, Wanted
    from buildkit.ecr.places import Place
    from buildkit.ecr.repositories import Repositories

ROUNDS = 3
"""How often a repository is read, mended and read again before others are said to be at it too."""
PAUSE_SECONDS = 1.0
"""Between rounds from the second on: AWS may show a change late."""


class State(str, Enum):
    MISSING = "missing"
    DIFFERS = "differs"
    AS_WANTED = "as wanted"
    NOT_OURS = "not ours"
    CREATED = "created"
    CHANGED = "changed"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One repository in one place.

    `changes` are those to make or, of what was changed, those made; `left` is what cannot be
    mended.
    """

    place: Place
    name: str
    state: State
    changes: tuple[Change, ...] = ()
    left: tuple[Change, ...] = ()
    error: ToolError | None = None

    @property
    def differs(self) -> bool:
        """Whether it is ours to care for and not as wanted."""
        if self.state is State.NOT_OURS:
            return False
        return self.state in (State.MISSING, State.DIFFERS) or bool(self.left)


def plan(places: Sequence[Place], wanted: Sequence[Wanted]) -> tuple[Finding, ...]:
    """What `apply` would do. Changes nothing. Raises UsageError for a place that is not ECR's."""
    return _each(places, wanted, _look)


def apply(
    places: Sequence[Place], wanted: Sequence[Wanted], *, adopt: Collection[str] = ()
) -> tuple[Finding, ...]:
    """Create what is missing and mend what is ours; take over what is named in `adopt`."""

    def bring(there: Repositories, place: Place, each: Wanted) -> Finding:
        return _bring(there, place, each, adopted=each.name in adopt)

    return _each(places, wanted, bring)


def _look(there: Repositories, place: Place, wanted: Wanted) -> Finding:
    found = there.read(wanted.name)
    if found is None:
        return Finding(place=place, name=wanted.name, state=State.MISSING)
    every = drift(wanted, found)
    state = State.DIFFERS if every else State.AS_WANTED
    return _finding(place, wanted, state if found.ours else State.NOT_OURS, every)


def _bring(there: Repositories, place: Place, wanted: Wanted, *, adopted: bool) -> Finding:
    """Read, mend, and read again until nothing is left to mend."""
    created = False
    made: dict[str, Change] = {}
    for number in range(ROUNDS):
        if number > 1:
            stopping.pause(PAUSE_SECONDS)
        found = there.read(wanted.name)
        if found is None:
            created = there.create(wanted)
            continue
        every = drift(wanted, found)
        if not (found.ours or adopted or created):
            return _finding(place, wanted, State.NOT_OURS, every)
        mendable = [change for change in every if change.mendable]
        if not mendable:
            state = State.DIFFERS if every else State.AS_WANTED
            state = State.CREATED if created else State.CHANGED if made else state
            return _finding(place, wanted, state, (*made.values(), *every))
        there.mend(wanted, found, mendable)
        made.update({change.aspect.value: change for change in mendable})
    raise ToolError(
        f"it still is not as wanted after {ROUNDS} rounds",
        hint="somebody changes it at the same time; `buildkit repo plan` shows how it is now",
    )


def _finding(place: Place, wanted: Wanted, state: State, every: Sequence[Change]) -> Finding:
    return Finding(
        place=place,
        name=wanted.name,
        state=state,
        changes=tuple(change for change in every if change.mendable),
        left=tuple(change for change in every if not change.mendable),
    )


def _each(
    places: Sequence[Place],
    wanted: Sequence[Wanted],
    work: Callable[[Repositories, Place, Wanted], Finding],
) -> tuple[Finding, ...]:
    """All places at once, in each one repository after the other; one that fails stops no other."""
    if others := [place.host for place in places if place.api is not Api.ECR]:
        raise UsageError(
            f"{', '.join(others)} has no repositories to look after",
            hint="only ECR's private registries have settings; name one with `--registry`",
        )

    def in_place(place: Place) -> list[Finding]:
        try:
            there = repositories.of(place)
        except ToolError as error:
            return [_failed(place, each, error) for each in wanted]
        return [attempt(there, place, each) for each in wanted]

    def attempt(there: Repositories, place: Place, each: Wanted) -> Finding:
        try:
            return work(there, place, each)
        except ToolError as error:
            return _failed(place, each, error)

    with ThreadPoolExecutor(max_workers=max(1, len(places))) as pool:
        return tuple(chain.from_iterable(pool.map(in_place, places)))


def _failed(place: Place, wanted: Wanted, error: ToolError) -> Finding:
    return Finding(place=place, name=wanted.name, state=State.FAILED, error=error)
