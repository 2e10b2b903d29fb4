"""Compares the repositories of all registries with images.toml, and updates them.

A repository belongs to buildkit if it has the AWS tag `config.values.OWNER`. Others are not
changed.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum
from itertools import chain
from typing import TYPE_CHECKING

from buildkit.ecr.drift import drift
from buildkit.ecr.places import Api
from buildkit.ecr.repositories import Repositories
from buildkit.support.errors import ToolError, UnavailableError, UsageError
from buildkit.system import stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from buildkit.ecr.drift import Change
    from buildkit.ecr.places import Place
    from buildkit.ecr.wanted import Wanted

ROUNDS = 3
"""How often a repository is updated before the error says that another process changes it."""
PAUSE_SECONDS = 1.0
"""Before the third round: AWS may show a change late."""


class State(str, Enum):
    MISSING = "missing"
    DIFFERS = "differs"
    UP_TO_DATE = "up to date"
    NOT_MANAGED = "not managed"
    CREATED = "created"
    CHANGED = "changed"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One repository in one registry.

    `changes` are those to make, or those made; then the differences that cannot be changed.
    """

    place: Place
    name: str
    state: State
    changes: tuple[Change, ...] = ()
    error: ToolError | None = None

    @property
    def differs(self) -> bool:
        """Whether a repository that buildkit manages needs a change."""
        if self.state is State.NOT_MANAGED:
            return False
        left = any(not change.fixable for change in self.changes)
        return left or self.state in (State.MISSING, State.DIFFERS)


def plan(places: Sequence[Place], wanted: Sequence[Wanted]) -> tuple[Finding, ...]:
    """What `apply` would do. Changes nothing. Raises UsageError for a registry outside ECR."""
    return _each(places, wanted, _look)


def apply(
    places: Sequence[Place], wanted: Sequence[Wanted], *, adopt: Collection[str] = ()
) -> tuple[Finding, ...]:
    """Create missing repositories, update ours, and take over those named in `adopt`."""
    return _each(
        places, wanted, lambda there, each: _reconcile(there, each, adopted=each.name in adopt)
    )


def _look(there: Repositories, wanted: Wanted) -> Finding:
    found = there.read(wanted.name)
    if found is None:
        return _finding(there, wanted, State.MISSING)
    every = drift(wanted, found)
    state = State.DIFFERS if every else State.UP_TO_DATE
    return _finding(there, wanted, state if found.ours else State.NOT_MANAGED, every)


def _reconcile(there: Repositories, wanted: Wanted, *, adopted: bool) -> Finding:
    """Read and update a repository until nothing is left to update."""
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
            return _finding(there, wanted, State.NOT_MANAGED, every)
        fixable = [change for change in every if change.fixable]
        if not fixable:
            state = State.DIFFERS if every else State.UP_TO_DATE
            state = State.CREATED if created else State.CHANGED if made else state
            return _finding(there, wanted, state, (*made.values(), *every))
        there.update(wanted, found, fixable)
        made.update({change.aspect.value: change for change in fixable})
    raise ToolError(
        f"the repository still differs after {ROUNDS} updates: another process is changing it",
        hint="run `buildkit repo plan` to see its current settings",
    )


def _finding(
    there: Repositories, wanted: Wanted, state: State, changes: Iterable[Change] = ()
) -> Finding:
    ordered = sorted(changes, key=lambda change: not change.fixable)
    return Finding(place=there.place, name=wanted.name, state=state, changes=tuple(ordered))


def _each(
    places: Sequence[Place],
    wanted: Sequence[Wanted],
    work: Callable[[Repositories, Wanted], Finding],
) -> tuple[Finding, ...]:
    """All registries in parallel, their repositories in sequence. A failure stops no other.

    A registry that does not answer is not asked again: each question may take a minute.
    """
    if others := [place.host for place in places if place.api is not Api.ECR]:
        raise UsageError(
            f"{others[0]} is not a private ECR registry, so its repository settings cannot be "
            "managed",
            hint="pass private ECR registries only, with `--registry`",
        )

    def attempt(place: Place, each: Wanted) -> Finding:
        try:
            return work(Repositories(place=place), each)
        except ToolError as error:
            return Finding(place=place, name=each.name, state=State.FAILED, error=error)

    def attempts(place: Place) -> list[Finding]:
        found: list[Finding] = []
        for each in wanted:
            if found and isinstance(found[-1].error, UnavailableError):
                found.append(replace(found[-1], name=each.name))
            else:
                found.append(attempt(place, each))
        return found

    with ThreadPoolExecutor(max_workers=max(1, len(places))) as pool:
        return tuple(chain.from_iterable(pool.map(attempts, places)))
