"""images.toml, images.lock, the ledger and dist/ -> the catalogue. No registry is asked."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from buildkit import records
from buildkit.catalogue import tested
from buildkit.catalogue.values import (
    Alias,
    Catalogue,
    Entry,
    Gpu,
    Location,
    Packages,
    Release,
    Size,
    State,
)
from buildkit.ledger import history
from buildkit.ledger.record import Action
from buildkit.matrix import compatibility
from buildkit.model import names, versions
from buildkit.model.hosts import of_ecr, one_name
from buildkit.model.image import Layer
from buildkit.model.target import PINNED
from buildkit.render import inputs
from buildkit.support import manual

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from buildkit.ledger import record
    from buildkit.ledger.record import Image
    from buildkit.model.image import Built
    from buildkit.model.target import Target
    from buildkit.project import Project

Cell = tuple[str, str, str, str]
Recorded = tuple["record.Release", "Image"]


def catalogue(
    project: Project, releases: Sequence[record.Release], patterns: Sequence[str], now: datetime
) -> Catalogue:
    """The images of images.toml, then those that only the ledger has.

    `patterns` select images as for other commands; without any, all. Raises NothingSelectedError,
    and ToolError for a record in dist/ that cannot be read.
    """
    gathered = _Gathered(project=project, releases=releases, month=f"{now:%Y-%m}")
    chosen = patterns or ("*",)
    removed = [each for each in gathered.removed() if _is_any_of(each, chosen)]
    # A pattern that only means removed images is no mistake.
    gone = {each for each in chosen if any(_is_any_of(entry, (each,)) for entry in removed)}
    here = [e for e in chosen if e not in gone or any(_is_any_of(t, (e,)) for t in project.targets)]
    return Catalogue(
        entries=(*map(gathered.of_target, project.select(here)), *removed),
        made=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        tool=manual.version(),
        newest=releases[-1].time if releases else None,
        records=len(releases),
    )


def _is_any_of(one: Entry | Target, patterns: Sequence[str]) -> bool:
    return any(names.means(each, one.name, one.id) for each in patterns)


@dataclass(frozen=True, kw_only=True)
class _Gathered:
    project: Project
    releases: Sequence[record.Release]
    month: str

    def of_target(self, target: Target) -> Entry:
        found = self._by_tag.get((target.repository, target.tag))
        built = self._records.find(records.BUILT, target.id) if self._has(target.id) else None
        local = None if built is None else tested.local(self._records, built)
        image = None if found is None else found[1]
        if built is not None and image is not None and _is_same(image, built):
            test, local = local or tested.of_ledger(image.verdict), None
        elif image is not None:
            test = tested.of_ledger(image.verdict)
        else:
            test, local = local or tested.UNTESTED, None
        return Entry(
            id=target.id,
            name=target.name,
            version=target.version,
            device=target.device.value,
            python=target.python,
            purpose=target.purpose.value,
            image=target.image,
            state=State.NOT_PUBLISHED if found is None else State.PUBLISHED,
            test=test,
            platform=target.platform,
            base=target.base,
            end_of_life=target.end_of_life,
            ended=target.end_of_life is not None and target.end_of_life < self.month,
            built=built is not None,
            local=local,
            release=None if found is None else self._release(*found),
            packages=self._packages(target, image),
            gpu=_gpu(target),
            sizes=() if image is None else self._sizes(image),
        )

    def removed(self) -> list[Entry]:
        """The newest image of each target that images.toml no longer has."""
        known = {each.id for each in self.project.targets}
        found: dict[str, Recorded] = {}
        for release, image in history.images(self.releases):
            if release.action is Action.PUBLISH and image.target not in known:
                found.setdefault(image.target, (release, image))
        return [self._of_removed(*found[id_]) for id_ in sorted(found)]

    def _of_removed(self, release: record.Release, image: Image) -> Entry:
        return Entry(
            id=image.target,
            name=image.name,
            version=image.version,
            device=image.device,
            python=image.python,
            purpose=image.purpose,
            image=f"{image.repository}:{image.tag}",
            state=State.REMOVED,
            test=tested.of_ledger(image.verdict),
            base=image.origin.base if image.origin else None,
            release=self._release(release, image),
            sizes=self._sizes(image),
        )

    @property
    def _records(self) -> records.Records:
        return self.project.records

    @cached_property
    def _begun(self) -> frozenset[str]:
        return self._records.begun()

    def _has(self, target_id: str) -> bool:
        return target_id in self._begun

    @cached_property
    def _by_tag(self) -> Mapping[tuple[str, str], Recorded]:
        """The image that got each exact tag last, with its record."""
        found = reversed([*history.images(self.releases)])
        return {(each[1].repository, each[1].tag): each for each in found}

    @cached_property
    def _places(self) -> Mapping[str, Sequence[tuple[Image, str]]]:
        """Where each digest has a tag: its images, newest first, and their URIs."""
        found: dict[str, dict[str, tuple[Image, str]]] = defaultdict(dict)
        for _, image in history.images(self.releases):
            _, last = self._by_tag[image.repository, image.tag]
            if last.digest == image.digest:  # else a mutable tag has moved
                for uri in image.locations:
                    found[image.digest].setdefault(uri, (image, uri))
        return {digest: [*each.values()] for digest, each in found.items()}

    @cached_property
    def _aliases(self) -> Mapping[tuple[str, str], Mapping[str, Sequence[str]]]:
        """By repository and digest: the aliases that point there now, and in which registries."""
        moves = history.moves(self.releases)
        last = {(one_name(each.host), each.repository, each.alias): each for each in moves}
        found: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for each in sorted(last.values(), key=lambda e: (e.host, e.repository, e.alias)):
            found[each.repository, each.after][each.alias].append(each.host)
        return found

    @cached_property
    def _cells(self) -> Mapping[Cell, Sequence[Recorded]]:
        """The published images of each cell of the matrix, the oldest version first."""
        found: dict[Cell, dict[str, Recorded]] = defaultdict(dict)
        for release, image in history.images(self.releases):
            if release.action is Action.PUBLISH:
                found[image.cell].setdefault(image.digest, (release, image))
        return {cell: _in_order([*each.values()][::-1]) for cell, each in found.items()}

    def _release(self, release: record.Release, image: Image) -> Release:
        return Release(
            record=release.id,
            time=release.time,
            commit=release.commit,
            digest=image.digest,
            size=image.size,
            locations=tuple(
                Location(
                    region=_region(uri.partition("/")[0]),
                    uri=uri,
                    digest_uri=f"{each.host_of(uri)}/{each.repository}@{image.digest}",
                )
                for each, uri in self._places.get(image.digest, ())
            ),
            aliases=self._aliases_of(image),
            layers=tuple(Layer(digest=digest, size=size) for digest, size in image.layers),
            base=image.origin.pinned(names.SHORT_DIGEST) if image.origin else None,
            build_seconds=image.build_seconds,
        )

    def _aliases_of(self, image: Image) -> tuple[Alias, ...]:
        found: list[Alias] = []
        places = self._places.get(image.digest, ())
        for each in dict.fromkeys(other.repository for other, _ in places):
            hosts = {one_name(o.host_of(uri)) for o, uri in places if o.repository == each}
            found += [
                Alias(
                    name=f"{each}:{alias}",
                    hosts=tuple(at),
                    everywhere=hosts <= {*map(one_name, at)},
                )
                for alias, at in self._aliases.get((each, image.digest), {}).items()
            ]
        return tuple(found)

    def _sizes(self, image: Image) -> tuple[Size, ...]:
        """The image and the versions before it."""
        cell = self._cells.get(image.cell, ())
        digests = [each.digest for _, each in cell]
        until = digests.index(image.digest) + 1 if image.digest in digests else 0
        return tuple(
            Size(version=e.version, time=release.time, digest=e.digest, bytes=e.size)
            for release, e in cell[:until]
        )

    def _packages(self, target: Target, image: Image | None) -> Packages | None:
        """None for a Dockerfile of the user's own: what it installs is unknown."""
        if target.dockerfile is not None:
            return None
        lock = self.project.lock
        entry = lock.targets.get(target.id) if lock and target.is_in_images_lock else None
        current = None
        if entry is not None and image is not None and image.origin is not None:
            made_with = dict(image.origin.parts).get(PINNED)
            current = made_with == inputs.short(target.pins.packages or "") if made_with else None
        return Packages(
            requested=target.packages,
            locked=entry.packages if entry else (),
            current=current,
        )


def _is_same(image: Image, built: Built) -> bool:
    return image.config_digest == built.config_digest


def _region(host: str) -> str | None:
    match = of_ecr(host)
    return match and match["region"]


def _gpu(target: Target) -> Gpu | None:
    cuda = compatibility.cuda_of(target)
    if cuda is None:
        return None
    return Gpu(cuda=str(cuda.version), driver=cuda.driver, amis=tuple(map(str, cuda.asks)))


def _in_order(found: Sequence[Recorded]) -> Sequence[Recorded]:
    """By version and revision; by time, as they come, if the versions cannot be ordered."""
    split = [versions.candidate(image.tag, image.version) for _, image in found]
    for grammar in (versions.semantic, versions.python):
        orders = [grammar(each.version) for each in split]
        if None not in orders:
            keyed = zip(orders, split, found, strict=True)
            ordered = sorted(keyed, key=lambda each: (each[0], each[1].revision))
            return [each for *_, each in ordered]
    return found
