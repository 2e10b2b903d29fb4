"""All clauses of the contract, also those that cannot be tested, from `clauses.toml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import tomli

from buildkit.model.features import Feature
from buildkit.model.image import Level

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A part of AWS's API: a shape or an operation of a service, or one member of a structure."""

    service: str
    name: str
    member: str = ""

    @classmethod
    def parse(cls, text: str) -> Shape:
        service, _, path = text.partition(":")
        name, _, member = path.partition(".")
        return cls(service=service, name=name, member=member)

    def __str__(self) -> str:
        return f"{self.service}:{self.name}{self.member and '.'}{self.member}"


@dataclass(frozen=True, kw_only=True)
class Clause:
    """One demand of SageMaker on an image.

    `read` is the month, such as `2026-11`, in which the source was read.
    `feature` is what an image must promise for the clause to apply. `unchecked` says why no check
    judges it, and is empty if one does. `shapes` are what the clause rests on in AWS's API.
    """

    id: str
    level: Level
    title: str
    demand: str
    source: str
    read: str
    hint: str
    feature: Feature | None
    unchecked: str
    shapes: tuple[Shape, ...]


@cache
def clauses() -> Mapping[str, Clause]:
    """Every clause by its id, in the order of the contract."""
    document = tomli.loads(Path(__file__).with_name("clauses.toml").read_text(encoding="utf-8"))
    return {
        id_: Clause(
            id=id_,
            level=Level(table["level"]),
            title=table["title"],
            demand=table["demand"],
            source=table["source"],
            read=table["read"],
            hint=table.get("hint", ""),
            feature=Feature(table["feature"]) if "feature" in table else None,
            unchecked=table.get("unchecked", ""),
            shapes=tuple(map(Shape.parse, table.get("shapes", ()))),
        )
        for id_, table in document.items()
    }
