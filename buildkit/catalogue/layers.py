"""Layers of images -> a picture of what they share: a row for each image, a block for each layer.

Images that begin with the same layers lie beside each other. A layer that they share is one block
over all of their rows, because it begins at the same byte in each.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from buildkit.catalogue.values import Entry
    from buildkit.model.image import Layer

MOST = 8
"""Rows of the table of shared layers: the others save little."""


class Shared(str, Enum):
    """By how many images of a picture."""

    BY_ALL = "all"
    BY_SOME = "some"
    BY_NONE = "own"


@dataclass(frozen=True, kw_only=True)
class Block:
    """A layer in the rows of the images that have it: from byte `start` on, in `rows` rows."""

    layer: Layer
    start: int
    row: int
    rows: int
    images: int
    shared: Shared


@dataclass(frozen=True, kw_only=True)
class Common:
    """A layer, and the number of images that have it."""

    layer: Layer
    images: int

    @property
    def saved(self) -> int:
        return self.layer.size * (self.images - 1)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Images with the same lowest layer, and their bases: that of most images first.

    `listed` is the sum of their sizes in bytes, `stored` that of their layers, each counted once;
    `largest` is the size of the largest image.
    """

    bases: tuple[str, ...]
    images: tuple[Entry, ...]
    blocks: tuple[Block, ...]
    common: tuple[Common, ...]
    largest: int
    listed: int
    stored: int


@dataclass
class _Node:
    """A layer on top of certain others."""

    children: dict[str, tuple[Layer, _Node]] = field(default_factory=dict)
    images: list[Entry] = field(default_factory=list)
    count: int = 0


def pictures(entries: Sequence[Entry]) -> tuple[Picture, ...]:
    """One picture for each lowest layer, that of most images first."""
    groups: dict[str, list[Entry]] = defaultdict(list)
    for each in entries:
        if each.release and each.release.layers:
            groups[each.release.layers[0].digest].append(each)
    return tuple(_picture(each) for each in sorted(groups.values(), key=lambda g: -len(g)))


def stored(entries: Sequence[Entry]) -> int:
    """Bytes of all layers, each counted once."""
    return sum({each.digest: each.size for entry in entries for each in _of(entry)}.values())


def images_by_layer(entries: Sequence[Entry]) -> Mapping[str, int]:
    """The number of images that have each layer, by its digest."""
    return Counter(digest for entry in entries for digest in {e.digest for e in _of(entry)})


def _of(entry: Entry) -> Sequence[Layer]:
    return entry.release.layers if entry.release else ()


def _picture(entries: Sequence[Entry]) -> Picture:
    counts = images_by_layer(entries)
    rows: list[Entry] = []
    blocks = tuple(_placed(_tree(entries), rows, 0, counts, len(entries)))
    sizes = {each.digest: each for entry in entries for each in _of(entry)}
    common = [Common(layer=sizes[d], images=n) for d, n in counts.items() if n > 1]
    totals = [sum(each.size for each in _of(entry)) for entry in entries]
    bases = Counter((each.base or "").partition("@")[0] for each in entries)
    return Picture(
        bases=tuple(base for base, _ in bases.most_common()),
        images=tuple(rows),
        blocks=blocks,
        common=tuple(sorted(common, key=lambda each: -each.saved)[:MOST]),
        largest=max(totals),
        listed=sum(totals),
        stored=stored(entries),
    )


def _tree(entries: Sequence[Entry]) -> _Node:
    root = _Node()
    for entry in entries:
        node = root
        for layer in _of(entry):
            _, node = node.children.setdefault(layer.digest, (layer, _Node()))
            node.count += 1
        node.images.append(entry)
    return root


def _placed(
    node: _Node, rows: list[Entry], start: int, counts: Mapping[str, int], most: int
) -> Iterator[Block]:
    """The blocks above a node; its images are appended to `rows`, in their order."""
    rows += node.images
    for layer, above in sorted(node.children.values(), key=lambda each: -each[1].count):
        row, images = len(rows), counts[layer.digest]
        below = [*_placed(above, rows, start + layer.size, counts, most)]
        shared = Shared.BY_NONE if images == 1 else Shared.BY_SOME
        yield Block(
            layer=layer,
            start=start,
            row=row,
            rows=len(rows) - row,
            images=images,
            shared=Shared.BY_ALL if images == most and images > 1 else shared,
        )
        yield from below
