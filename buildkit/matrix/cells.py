"""An image of images.toml -> its cells: the product of the axes and the rules about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import product
from typing import TYPE_CHECKING

from buildkit.config.schema import given
from buildkit.model.target import Device, Purpose

if TYPE_CHECKING:
    from buildkit.config import schema
    from buildkit.config.problems import Problems

ANY = "*"
"""What a rule has for each part that it does not give."""
AXES = {"version": "versions", "device": "devices", "python": "pythons", "purpose": "purposes"}
"""The key that has the values of each part of a cell."""
OF_CELLS = (*AXES.values(), "exclude", "defaults")
"""Without one of these keys, an image may have other cells than its author meant."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of an image's matrix. `split`: the image has cells of two purposes."""

    name: str
    version: str
    device: Device
    python: str
    purpose: Purpose
    split: bool = False


def of_image(
    name: str, image: schema.Image, defaults: schema.Axes, problems: Problems
) -> list[Cell]:
    """The cells of one image, in the order of its axes. Adds what is wrong to `problems`."""
    purposes = given("purposes", image, defaults)
    cells = [
        Cell(name=name, version=version, device=device, python=python, purpose=purpose)
        for version, device, python, purpose in product(
            image.versions,
            given("devices", image, defaults),
            given("pythons", image, defaults),
            purposes,
        )
    ]
    for number, rule in enumerate(image.exclude):
        kept = [cell for cell in cells if not matches(cell, rule)]
        if len(kept) == len(cells) and not problems.lacks(name, *_needs(rule)):
            problems.add(("image", name, "exclude", number), "this rule matches no cell")
        cells = kept
    known, there = not problems.lacks(name, *OF_CELLS), {*cells}
    for number, new in enumerate(image.include):
        added = [
            Cell(name=name, version=new.version, device=new.device, python=new.python, purpose=each)
            for each in (purposes if new.purpose is None else (new.purpose,))
        ]
        if known and not there.isdisjoint(added):
            problems.add(("image", name, "include", number), "this cell already exists")
        cells += [cell for cell in added if cell not in there]
        there.update(added)
    _check_overrides(name, image, cells, problems)
    found = {cell.purpose for cell in cells}
    if known and not found:
        problems.add(("image", name), "no cell is left after `exclude`")
    if Purpose.BOTH in found and len(found) > 1:
        problems.add(
            ("image", name, "purposes"),
            "`both` is one image for training and inference, and excludes other purposes",
        )
    return [replace(cell, split=True) for cell in cells] if len(found) > 1 else cells


def _check_overrides(name: str, image: schema.Image, cells: list[Cell], problems: Problems) -> None:
    for number, override in enumerate(image.override):
        rule = override.when
        lacks = problems.lacks(name, "include", *_needs(rule))
        if not lacks and not any(matches(cell, rule) for cell in cells):
            problems.add(("image", name, "override", number, "when"), "this rule matches no cell")


def _needs(rule: schema.Cell) -> list[str]:
    """The keys without which a rule may match no cell, although it is right."""
    axes = [axis for part, axis in AXES.items() if getattr(rule, part) != ANY]
    return axes if axes in ([], [AXES["version"]]) else [*axes, "defaults"]


def matches(cell: Cell, rule: schema.Cell) -> bool:
    return (
        fnmatchcase(cell.version, rule.version)
        and fnmatchcase(cell.device.value, rule.device)
        and fnmatchcase(cell.python, rule.python)
        and fnmatchcase(cell.purpose.value, rule.purpose)
    )
