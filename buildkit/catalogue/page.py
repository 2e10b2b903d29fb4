"""The catalogue -> one HTML page that needs nothing else: no server, no network."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.catalogue import layers
from buildkit.catalogue.values import LARGE, Result, State
from buildkit.render import html
from buildkit.support.amounts import count, size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from buildkit.catalogue.values import Catalogue, Entry, Judged, Size

PACKAGE = "buildkit.catalogue"
CLASSES = {
    Result.PASSED: "passed",
    Result.PARTLY: "partly",
    Result.FAILED: "failed",
    Result.UNTESTED: "none",
}
MARKS = {"passed": "✓", "partly": "◐", "failed": "✗", "absent": "○"}
LONGEST = 600
"""Characters of the evidence of a clause. `buildkit test --html` shows all of it."""
MOST_SIZES = 8
"""Versions in a trend."""
WIDTH, HEIGHT = 200, 60


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the matrix: images by Python version."""

    name: str
    kind: str
    first: bool
    of_name: int
    cells: Mapping[str, Sequence[Entry]]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the page shows of an entry, beside its facts."""

    entry: Entry
    chip: str
    badge: str
    word: str
    status: str
    layers_shared: int


def document(catalogue: Catalogue) -> str:
    entries = catalogue.entries
    script = html.text(PACKAGE, "page.js")
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    fill = html.template(
        PACKAGE, "page.html.j2", many=count, size=size, points=points, change=change, cut=_cut
    )
    known = layers.images_by_layer(entries)
    shown = [_shown(each, known) for each in entries]
    page = fill(
        catalogue=catalogue,
        lead=lead(catalogue),
        images=shown,
        chips={each.entry.id: each for each in shown},
        marks=MARKS,
        rows=rows(entries),
        columns=columns(entries),
        choices=_choices(shown),
        pictures=layers.pictures(entries),
        stored=layers.stored(entries),
        listed=sum(e.release.size or 0 for e in entries if e.release and e.release.layers),
        unknown=sum(1 for e in entries if e.release and not e.release.layers),
        style=html.text(PACKAGE, "page.css"),
        script=script,
        script_hash=hashed,
        large=LARGE,
        brief=len(entries) > LARGE,
    )
    return page + "\n"


def lead(catalogue: Catalogue) -> str:
    """`12 images: 10 published, 2 not published`."""
    found = Counter(each.state for each in catalogue.entries)
    parts = [f"{found[state]} {state.value}" for state in State if found[state]]
    return f"{count(len(catalogue.entries), 'image')}: {', '.join(parts)}"


def pythons(entries: Sequence[Entry]) -> Sequence[str]:
    return sorted({each.python for each in entries}, key=lambda text: [*map(int, text.split("."))])


def columns(entries: Sequence[Entry]) -> Sequence[str]:
    """The Python versions of images.toml."""
    return pythons([each for each in entries if each.state is not State.REMOVED])


def rows(entries: Sequence[Entry]) -> Sequence[Row]:
    """The matrix of images.toml: by framework and device; by purpose, too, if there are several.

    Images that were removed from images.toml are not in it.
    """
    entries = [each for each in entries if each.state is not State.REMOVED]
    purposes: dict[str, set[str]] = defaultdict(set)
    cells: dict[tuple[str, str], dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for each in entries:
        purposes[each.name].add(each.purpose)
    for each in entries:
        several = len(purposes[each.name]) > 1
        kind = f"{each.device}, {each.purpose}" if several else each.device
        cells[each.name, kind][each.python].append(each)
    keys = sorted(cells)
    of_name = Counter(name for name, _ in keys)
    firsts = dict(reversed(keys))
    return [
        Row(
            name=name,
            kind=kind,
            first=firsts[name] == kind,
            of_name=of_name[name],
            cells=cells[name, kind],
        )
        for name, kind in keys
    ]


def change(sizes: Sequence[Size]) -> Sequence[tuple[Size, int | None]]:
    """The newest of them, each with the difference to the one before; None if unknown."""
    pairs = zip([None, *sizes], sizes, strict=False)
    return [(now, now.more_than(before)) for before, now in pairs][-MOST_SIZES:]


def points(sizes: Sequence[Size]) -> Sequence[tuple[float, float]]:
    """The line of a trend, from left to right, in a box of `WIDTH` by `HEIGHT`."""
    known = [each.bytes for each in sizes if each.bytes is not None][-MOST_SIZES:]
    if len(known) < 2:  # noqa: PLR2004 - a line has two ends
        return ()
    low, high = min(known), max(known)
    step = WIDTH / (len(known) - 1)
    return [
        (round(n * step, 1), round(HEIGHT - HEIGHT * (each - low) / ((high - low) or 1), 1))
        for n, each in enumerate(known)
    ]


def chip(entry: Entry) -> str:
    """The key of `MARKS` for an image. A failed test counts more than that nothing is published."""
    if entry.state is State.NOT_PUBLISHED and entry.test.result is not Result.FAILED:
        return "absent"
    return CLASSES[entry.test.result]


def _shown(entry: Entry, known: Mapping[str, int]) -> Shown:
    mark = chip(entry)
    absent = mark == "absent"
    return Shown(
        entry=entry,
        chip=mark,
        badge="none" if absent else CLASSES[entry.test.result],
        word=entry.state.value if absent else entry.test.result.value,
        status="|".join(_statuses(entry)),
        layers_shared=sum(
            known[each.digest] > 1 for each in (entry.release.layers if entry.release else ())
        ),
    )


def _statuses(entry: Entry) -> Iterator[str]:
    """The values of the filter `Status` that find an image."""
    yield entry.state.value
    tests: Sequence[Judged | None] = (entry.test, entry.local)
    yield from dict.fromkeys(each.result.value for each in tests if each)
    if entry.test.warned:
        yield "with warnings"
    if entry.end_of_life is not None:
        yield "end of life"


def _choices(shown: Sequence[Shown]) -> Sequence[tuple[str, str, Sequence[str]]]:
    """The filters: key, label and values."""
    entries = [each.entry for each in shown]
    statuses = dict.fromkeys(word for each in shown for word in each.status.split("|"))
    return [
        ("name", "Framework", sorted({each.name for each in entries})),
        ("device", "Device", sorted({each.device for each in entries})),
        ("python", "Python", pythons(entries)),
        ("status", "Status", sorted(statuses)),
    ]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
