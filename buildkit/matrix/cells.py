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
        if len(kept) == len(cells):
            problems.add(("image", name, "exclude", number), "this rule matches no cell")
        cells = kept
    for number, new in enumerate(image.include):
        added = [
            Cell(name=name, version=new.version, device=new.device, python=new.python, purpose=each)
            for each in (purposes if new.purpose is None else (new.purpose,))
        ]
        if any(cell in cells for cell in added):
            problems.add(("image", name, "include", number), "this cell already exists")
        cells += added
    for number, override in enumerate(image.override):
        if not any(matches(cell, override.when) for cell in cells):
            problems.add(("image", name, "override", number, "when"), "this rule matches no cell")
    found = {cell.purpose for cell in cells}
    if not found:
        problems.add(("image", name), "no cell is left after `exclude`")
    if Purpose.BOTH in found and len(found) > 1:
        problems.add(
            ("image", name, "purposes"),
            "`both` is one image for training and inference, and excludes other purposes",
        )
    return [replace(cell, split=len(found) > 1) for cell in cells]


def matches(cell: Cell, rule: schema.Cell) -> bool:
    return (
        fnmatchcase(cell.version, rule.version)
        and fnmatchcase(cell.device.value, rule.device)
        and fnmatchcase(cell.python, rule.python)
        and fnmatchcase(cell.purpose.value, rule.purpose)
    )
