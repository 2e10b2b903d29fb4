"""`buildkit diff`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from buildkit.commands import complete, options, output
from buildkit.diff import compare
from buildkit.ledger import find, history
from buildkit.ledger.find import Named
from buildkit.support import tables
from buildkit.support.amounts import megabytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from buildkit.commands.scope import Scope
    from buildkit.diff.compare import Comparison, Connections
    from buildkit.diff.differences import Difference, Stored
    from buildkit.ledger.find import Found
    from buildkit.ledger.record import Image, Release

NONE = "-"


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two images: what the ledger knows, and where its registry holds it."""

    found: Found
    subject: compare.Subject

    @property
    def base(self) -> str | None:
        image = self.found.image
        if image is None or image.origin is None:
            return None
        return image.origin.pinned()


@click.command(
    "diff",
    epilog="\b\nExamples:\n"
    "  buildkit diff sklearn-1.7.2-cpu-py311 sklearn-1.7.2-1-cpu-py311\n"
    "  buildkit diff sklearn:latest-cpu-py311 sha256:16e4af5aaf43\n"
    "  buildkit diff basic-1.0-cpu-py311@20261121T161654-f42ab3c1 basic-1.0-cpu-py311 --json",
)
@click.argument("a", shell_complete=complete.targets)
@click.argument("b", shell_complete=complete.targets)
@options.READ
@options.JSON
@options.LOOK_IN
def command(*, scope: Scope, a: str, b: str, as_json: bool, registries: tuple[str, ...]) -> None:
    """Compare two published images: base, layers, configuration, packages.

    A and B are each a target of the ledger (TARGET, or TARGET@RECORD for an earlier release), a tag
    or alias (REPOSITORY:TAG), or a digest, of at least 12 digits. No image is run or pulled; only
    layers that the images do not share are downloaded.
    """
    settings = scope.config()
    releases = scope.ledger().read()
    with compare.connections(settings) as reached:
        first, second = (_side(text, releases, reached, registries) for text in (a, b))
        found = compare.compare(first.subject, second.subject)
    output.show(_document(first, second, found), _page(first, second, found), as_json=as_json)


def _side(
    text: str, releases: Sequence[Release], reached: Connections, given: Sequence[str]
) -> Side:
    on_record = find.image(releases, text)
    if on_record is not None:
        name = Named(host=None, repository=on_record.repository, reference=on_record.digest)
    else:
        name = find.named(text)
    hosts = (name.host,) if name.host else given or _hosts(releases, name, reached.own)
    found = find.in_registries(name, map(reached.to, hosts), releases)
    return Side(
        found=found,
        subject=reached.subject(found.host, found.repository, found.digest),
    )


def _hosts(releases: Iterable[Release], name: Named, own: Sequence[str]) -> tuple[str, ...]:
    """The registries of images.toml, then those that have the repository by the ledger."""
    known = [
        host
        for _, image in history.images(releases)
        if image.repository == name.repository
        for host in image.hosts
    ]
    return tuple(dict.fromkeys((*own, *known)))


def _document(first: Side, second: Side, found: Comparison) -> dict[str, object]:
    return {
        "a": _facts(first),
        "b": _facts(second),
        "layers": asdict(found.layers),
        "configuration": [asdict(each) for each in found.configuration],
        "packages": [asdict(each) for each in found.packages],
        "fetched": found.fetched,
    }


def _facts(side: Side) -> dict[str, object]:
    image: Image | None = side.found.image
    return {
        "uri": side.subject.uri,
        "digest": side.found.digest,
        "target": None if image is None else image.target,
        "base": side.base,
    }


def _page(first: Side, second: Side, found: Comparison) -> Iterator[str]:
    yield f"a  {first.subject.uri}"
    yield f"b  {second.subject.uri}"
    yield ""
    yield "base"
    if first.base == second.base:
        yield f"  the same: {first.base or 'unknown: not in the ledger'}"
    else:
        yield f"  a  {first.base or 'unknown: not in the ledger'}"
        yield f"  b  {second.base or 'unknown: not in the ledger'}"
    yield "layers"
    yield f"  {_sum(found.layers.shared)} in both"
    for mark, layers in (("a", found.layers.only_a), ("b", found.layers.only_b)):
        yield f"  {_sum(layers)} only in {mark}"
        for each in layers:
            yield f"    {each.digest}  {megabytes(each.size)}"
    yield from _differences("configuration", found.configuration)
    yield from _differences("packages", found.packages)


def _sum(layers: Sequence[Stored]) -> str:
    return f"{len(layers)}, {megabytes(sum(each.size for each in layers))},"


def _differences(title: str, found: Sequence[Difference]) -> Iterator[str]:
    yield title
    if not found:
        yield "  the same"
        return
    rows = [("", "a", "b"), *((each.name, each.a or NONE, each.b or NONE) for each in found)]
    for line in tables.aligned(rows):
        yield f"  {line}"
