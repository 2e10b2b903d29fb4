"""A record of the ledger -> release notes in Markdown: the changes of each image. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.ledger.record import Action
from buildkit.model import names, versions
from buildkit.support.amounts import count, megabytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from buildkit.diff.differences import Difference
    from buildkit.ledger.record import Image, Release
    from buildkit.model.image import Origin

MOST_PACKAGES = 50
"""Rows for one image: GitHub's summaries have a limit, and nobody reads more."""
SMALLEST_CHANGE = 50_000
"""Bytes. Sizes are rounded to a tenth of a megabyte, so a smaller change is not shown."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """The image before, and the differences in packages: None if they were not compared."""

    before: Image
    packages: Sequence[Difference] | None


def before(releases: Sequence[Release], release: Release, image: Image) -> Image | None:
    """The image before a record, for the same cell: of the same version, else of the one below."""
    earlier = [
        other
        for each in reversed(releases)
        if each.id < release.id and each.action is Action.PUBLISH
        for other in each.images
        if other.cell == image.cell and other.digest != image.digest
    ]
    version, _ = names.split_revision(image.version)
    same = (each for each in earlier if names.split_revision(each.version)[0] == version)
    if (found := next(same, None)) is not None:
        return found
    older = [each for each in earlier if _newest(each, image) is image]
    return _newest(*older) if older else None


def _newest(*images: Image) -> Image:
    """The image of the newest version, or the first one if the versions cannot be ordered."""
    by_tag = {each.tag: each for each in reversed(images)}
    found = versions.newest([versions.candidate(tag, each.version) for tag, each in by_tag.items()])
    return images[0] if found is None else by_tag[found.tag]


def page(release: Release, changes: Mapping[str, Change]) -> str:
    """The release notes. `changes` has targets by id; a target that is not in it is new."""
    return "\n".join(_lines(release, changes)) + "\n"


def _lines(release: Release, changes: Mapping[str, Change]) -> Iterator[str]:
    commit = f", commit `{release.commit[:12]}`" if release.commit else ""
    images = count(len(release.images), "image")
    yield from (f"# Release {release.id}", "", f"{images}, {release.time}{commit}.")
    if release.images:
        yield from ("", "| Image | Digest | Size | Clauses | Changed |", f"|{' --- |' * 5}")
        for image in release.images:
            yield _row(image, changes.get(image.target))
    for image in release.images:
        if (change := changes.get(image.target)) is not None:
            yield from _details(image, change)
    if release.moves:
        yield from ("", "## Aliases", "")
        for move in release.moves:
            yield f"- `{move.host}/{move.repository}:{move.alias}` points to `{move.tag}`"


def _row(image: Image, change: Change | None) -> str:
    changed = "new" if change is None else ", ".join(_changed(image, change)) or "rebuilt"
    name = f"`{image.repository}:{image.tag}`"
    digest, size = image.digest[: names.SHORT_DIGEST], _size(image.size)
    return f"| {name} | `{digest}` | {size} | {image.verdict.summary} | {changed} |"


def _changed(image: Image, change: Change) -> Iterator[str]:
    if image.version != change.before.version:
        yield f"version {change.before.version} → {image.version}"
    if image.origin != change.before.origin and _base(image.origin) != _base(change.before.origin):
        yield "base"
    if change.packages:
        yield count(len(change.packages), "package")
    grown = (image.size or 0) - (change.before.size or 0)
    if abs(grown) >= SMALLEST_CHANGE:
        yield megabytes(grown, "+.1f")


def _details(image: Image, change: Change) -> Iterator[str]:
    before = change.before
    then, now = _base(before.origin), _base(image.origin)
    yield from ("", f"## {image.target}", "")
    yield f"Before: `{before.repository}:{before.tag}`, {_size(before.size)}."
    yield from ("", f"Base: `{now}`, as before." if then == now else f"Base: `{then}` → `{now}`.")
    if change.packages is None:
        return
    if not change.packages:
        yield from ("", "Packages: as before.")
        return
    yield from ("", "| Package | Before | Now |", f"|{' --- |' * 3}")
    for each in change.packages[:MOST_PACKAGES]:
        yield f"| {each.name} | {each.a or '-'} | {each.b or '-'} |"
    if (more := len(change.packages) - MOST_PACKAGES) > 0:
        yield f"| and {more} more | | |"


def _base(origin: Origin | None) -> str:
    return "unknown: not in the ledger" if origin is None else origin.pinned(names.SHORT_DIGEST)


def _size(size: int | None) -> str:
    return "-" if size is None else megabytes(size)
