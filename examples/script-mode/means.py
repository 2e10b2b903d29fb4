"""A module that train.py imports: the mean of each class, and the nearest mean."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

Row = list[float]


def read_rows(folder: Path, scale: float) -> list[tuple[int, Row]]:
    """Label and features of every line of every CSV file."""
    rows = []
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="") as file:
            for label, *features in csv.reader(file):
                rows.append((int(float(label)), [float(each) * scale for each in features]))
    if not rows:
        raise FileNotFoundError(f"no rows in {folder}/*.csv")
    return rows


def fit(rows: list[tuple[int, Row]]) -> dict[int, Row]:
    found = {}
    for label in sorted({label for label, _ in rows}):
        members = [features for each, features in rows if each == label]
        found[label] = [sum(column) / len(members) for column in zip(*members)]
    return found


def accuracy(means: dict[int, Row], rows: list[tuple[int, Row]]) -> float:
    return sum(nearest(means, features) == label for label, features in rows) / len(rows)


def nearest(means: dict[int, Row], features: Row) -> int:
    def distance(label: int) -> float:
        return sum((one - other) ** 2 for one, other in zip(means[label], features))

    return min(means, key=distance)
