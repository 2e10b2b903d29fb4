"""Targets -> shards of similar duration. Pure."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from buildkit.ledger.record import Image
    from buildkit.model.target import Target

UNKNOWN = 300.0
"""Seconds for a target if the ledger has no times at all."""
WORTH_A_JOB = 600.0
"""Seconds. For less work, the set-up of another shard takes longer than it saves."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The targets of one job. `number` counts from 1; `seconds` is the expected duration."""

    number: int
    targets: tuple[Target, ...]
    seconds: float

    @property
    def ids(self) -> str:
        """The ids of the targets, as a command line has them."""
        return " ".join(each.id for each in self.targets)


def seconds(targets: Iterable[Target], images: Iterable[Image]) -> dict[str, float]:
    """The expected duration of build and test, by target id.

    It is the longest one in the ledger, as the others used a cache. For a new target, it is that of
    its other versions, then that of other targets of its image, then the median of all.
    """
    longest: dict[tuple[str, ...], float] = {}
    for image in images:
        found = (image.build_seconds or 0.0) + image.verdict.seconds
        for likeness in _likenesses(image.target, image.name, image.device, image.python):
            longest[likeness] = max(longest.get(likeness, 0.0), found)
    of_targets = [found for likeness, found in longest.items() if likeness[0] == "target"]
    otherwise = median(of_targets) if of_targets else UNKNOWN
    return {
        target.id: next(
            (
                longest[likeness]
                for likeness in _likenesses(
                    target.id, target.name, target.device.value, target.python
                )
                if likeness in longest
            ),
            otherwise,
        )
        for target in targets
    }


def _likenesses(id_: str, name: str, device: str, python: str) -> tuple[tuple[str, ...], ...]:
    """The keys under which times are compared, the most similar targets first."""
    return (
        ("target", id_),
        ("cell", name, device, python),
        ("device", name, device),
        ("image", name),
    )


def enough(times: Sequence[float], most: int) -> int:
    """The number of shards for a quick release: with more, the longest target decides anyway."""
    aim = max(WORTH_A_JOB, *times) if times else WORTH_A_JOB
    return max(1, min(most, len(times), math.ceil(sum(times) / aim)))


def balance(targets: Sequence[Target], times: Mapping[str, float], count: int) -> tuple[Shard, ...]:
    """At most `count` shards, none of them empty, each with its targets in their order.

    The longest target goes first, always to the shard with the least to do: at worst a third longer
    than the best there is (Graham, "Bounds on Multiprocessing Timing Anomalies", 1969).
    """
    place = {target.id: number for number, target in enumerate(targets)}
    loads = [(0.0, number) for number in range(min(count, len(targets)))]
    inside: dict[int, list[Target]] = {number: [] for _, number in loads}
    for target in sorted(targets, key=lambda each: (-times[each.id], place[each.id])):
        load, number = heapq.heappop(loads)
        inside[number].append(target)
        heapq.heappush(loads, (load + times[target.id], number))
    return tuple(
        Shard(
            number=number + 1,
            targets=tuple(sorted(found, key=lambda each: place[each.id])),
            seconds=sum(times[each.id] for each in found),
        )
        for number, found in inside.items()
    )
