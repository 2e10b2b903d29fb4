"""A user's script for the framework of examples/framework: it only defines how to fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Rows = list[tuple[int, list[float]]]


@dataclass(frozen=True)
class NearestMean:
    means: dict[int, list[float]]

    def __call__(self, features: list[float]) -> int:
        def distance(label: int) -> float:
            return sum((one - other) ** 2 for one, other in zip(self.means[label], features))

        return min(self.means, key=distance)


def fit(rows: Rows, settings: dict[str, Any]) -> NearestMean:
    print(f"fitting {len(rows)} rows with {settings}")
    means = {}
    for label in sorted({label for label, _ in rows}):
        members = [features for each, features in rows if each == label]
        means[label] = [sum(column) / len(members) for column in zip(*members)]
    return NearestMean(means)


def describe(model: NearestMean) -> dict[str, Any]:
    return {"means": model.means}
