"""An image of images.toml -> its cells: the product of the axes and the rules about them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import product
from typing import TYPE_CHECKING, Any

from buildkit.model.target import Device, Purpose
from buildkit.support import addresses
from buildkit.support.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkit.config import schema

Where = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of an image's matrix. `split`: the image has cells of two purposes."""

    name: str
    version: str
    device: Device
    python: str
    purpose: Purpose
    split: bool = False


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where images.toml writes the facts of a cell: the first layer that has a key decides it.

    The last two layers are the image and `[defaults]`.
    """

    layers: tuple[tuple[Where, schema.Facts], ...]

    def has(self, key: str) -> bool:
        return any(key in layer.model_fields_set for _, layer in self.layers)

    def given(self, key: str) -> Any:
        return given(key, *(layer for _, layer in self.layers))

    def of(self, key: str) -> Where:
        """The place of a key; of one that is nowhere, the place in the image where it could be."""
        found = (at for at, layer in self.layers if key in layer.model_fields_set)
        return (*next(found, self.layers[-2][0]), key)


@dataclass(kw_only=True)
class Problems:
    """Collects what is wrong while targets are made, so that all of it is reported.

    `read` is what was wrong with the file's form: a key named there was left out of the image, so
    what its absence leads to is not told as well.
    """

    read: tuple[Problem, ...]
    found: list[Problem] = field(default_factory=list)

    def add(self, path: Where, message: str, cause: str = "") -> None:
        problem = Problem(path=path, message=message, cause=cause)
        key = path[2:3]
        left_out = key and any(
            other.path[:3] == path[:3] or other.path[:2] == ("defaults", *key)
            for other in self.read
        )
        # Of a cause each is kept: its targets are counted.
        if not left_out and (cause or problem not in self.found):
            self.found.append(problem)

    def check(self, path: Where, check: Callable[[str], str], text: str, pattern: str = "") -> str:
        """The checked text. With the pattern that it comes from, all targets have one cause."""
        try:
            return check(text)
        except ValueError as error:
            message = str(error)
            rest = message.replace(addresses.quoted(text), "")
            cause = f"{path} {pattern}: {rest}" if pattern else ""
            self.add(path, message, cause)
            return text


def of_image(
    name: str, image: schema.Image, defaults: schema.Axes, problems: Problems
) -> list[Cell]:
    """The cells of one image, in the order of its axes. What is wrong goes into `problems`."""
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
            problems.add(("image", name, "exclude", number), "this matches no cell")
        cells = kept
    for number, new in enumerate(image.include):
        added = [
            Cell(name=name, version=new.version, device=new.device, python=new.python, purpose=each)
            for each in (purposes if new.purpose is None else (new.purpose,))
        ]
        if any(cell in cells for cell in added):
            problems.add(("image", name, "include", number), "this cell is there already")
        cells += added
    for number, override in enumerate(image.override):
        if not any(matches(cell, override.when) for cell in cells):
            problems.add(("image", name, "override", number, "when"), "this matches no cell")
    found = {cell.purpose for cell in cells}
    if not found:
        problems.add(("image", name), "no cell is left after `exclude`")
    if Purpose.BOTH in found and len(found) > 1:
        problems.add(
            ("image", name, "purposes"),
            "`both` is one image for training and inference; it stands alone",
        )
    return [replace(cell, split=len(found) > 1) for cell in cells]


def matches(cell: Cell, rule: schema.Cell) -> bool:
    return (
        fnmatchcase(cell.version, rule.version)
        and fnmatchcase(cell.device.value, rule.device)
        and fnmatchcase(cell.python, rule.python)
        and fnmatchcase(cell.purpose.value, rule.purpose)
    )


def given(key: str, *layers: schema.Facts) -> Any:
    """The value of the first layer in which the author wrote the key, else the schema's default."""
    return next(
        (getattr(layer, key) for layer in layers if key in layer.model_fields_set),
        getattr(layers[-1], key),
    )
