"""Layers that images share: where each block of the picture lies, and what is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.catalogue import layers
from buildkit.catalogue.layers import Shared
from buildkit.catalogue.values import Entry, Judged, Release, Result, State
from buildkit.model.image import Layer

if TYPE_CHECKING:
    from collections.abc import Sequence


def entry(name: str, *stack: tuple[str, int], base: str = "debian@sha256:1") -> Entry:
    found = tuple(Layer(digest=digest, size=size) for digest, size in stack)
    return Entry(
        id=name,
        name=name,
        version="1",
        device="cpu",
        python="3.11",
        purpose="both",
        image=name,
        state=State.PUBLISHED,
        test=Judged(result=Result.PASSED),
        base=base,
        release=Release(
            record="r",
            time="t",
            commit=None,
            digest="d",
            size=None,
            locations=(),
            aliases=(),
            layers=found,
            base=None,
            build_seconds=None,
        ),
    )


BASE = ("os", 50)
ONE = entry("one", BASE, ("a", 10), ("x", 5), ("tail", 1))
TWO = entry("two", BASE, ("b", 20), ("tail", 1))
THREE = entry("three", BASE, ("a", 10), ("y", 7))


def drawn(entries: Sequence[Entry]) -> list[tuple[object, ...]]:
    (picture,) = layers.pictures(entries)
    return [(e.layer.digest, e.start, e.row, e.rows, e.images, e.shared) for e in picture.blocks]


def test_a_shared_beginning_is_one_block_over_the_rows_of_its_images() -> None:
    (picture,) = layers.pictures([ONE, TWO, THREE])
    assert [each.id for each in picture.images] == ["one", "three", "two"]
    assert drawn([ONE, TWO, THREE]) == [
        ("os", 0, 0, 3, 3, Shared.BY_ALL),
        ("a", 50, 0, 2, 2, Shared.BY_SOME),
        ("x", 60, 0, 1, 1, Shared.BY_NONE),
        ("tail", 65, 0, 1, 2, Shared.BY_SOME),
        ("y", 60, 1, 1, 1, Shared.BY_NONE),
        ("b", 50, 2, 1, 1, Shared.BY_NONE),
        ("tail", 70, 2, 1, 2, Shared.BY_SOME),
    ]


def test_sums_count_a_shared_layer_once() -> None:
    (picture,) = layers.pictures([ONE, TWO, THREE])
    assert (picture.listed, picture.stored, picture.largest) == (66 + 71 + 67, 93, 71)
    assert layers.stored([ONE, TWO, THREE]) == 93
    assert [(e.layer.digest, e.images, e.saved) for e in picture.common] == [
        ("os", 3, 100), ("a", 2, 10), ("tail", 2, 1),
    ]  # fmt: skip


def test_images_of_another_beginning_are_another_picture() -> None:
    alone = entry("alone", ("alpine", 3), base="alpine")
    first, second = layers.pictures([alone, ONE, TWO])
    assert (first.bases, len(first.images)) == (("debian",), 2)
    assert (second.bases, second.common) == (("alpine",), ())
    assert second.blocks[0].shared is Shared.BY_NONE


def test_images_without_known_layers_are_not_in_a_picture() -> None:
    assert layers.pictures([entry("old")]) == ()
    assert layers.stored([entry("old")]) == 0


def test_two_images_of_the_same_layers_have_two_rows() -> None:
    same = entry("same", BASE, ("a", 10))
    other = entry("other", BASE, ("a", 10))
    assert drawn([same, other]) == [
        ("os", 0, 0, 2, 2, Shared.BY_ALL),
        ("a", 50, 0, 2, 2, Shared.BY_ALL),
    ]
