"""The records of the ledger: what a run published, and which aliases it moved."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from buildkit.model import names
from buildkit.model.image import Origin  # noqa: TC001 - `decode` reads them
from buildkit.model.target import Device, Purpose
from buildkit.support.decode import Form, Word, shown

ID = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{8}")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
HOST = re.compile(names.HOST)

Id = Annotated[str, Form(ID, "is not the id of a record, such as `20261121T161654-1f0c3a2b`")]
Time = Annotated[str, Form(TIME, "is not a time, such as `2026-11-21T16:16:54Z`")]
Host = Annotated[str, Form(HOST, "is not the host of a registry")]
Repository = Annotated[str, Form(names.REPOSITORY, "is not a repository")]
Tag = Annotated[str, Form(names.TAG, "is not a tag")]
Digest = Annotated[str, Form(re.compile(r"sha256:[0-9a-f]{64}"), "is not a digest")]
Plain = Annotated[str, names.plain]
ANY_DEVICE = re.compile("|".join(each.value for each in Device))
ANY_PURPOSE = re.compile("|".join(each.value for each in Purpose))


class Action(str, Enum):
    PUBLISH = "publish"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The result of a test: numbers of clauses by status, and the duration.

    `untried` is what the test did not do: `not trained, not served: no samples`.
    """

    profile: Word
    suite: Word
    passed: int
    warned: int
    skipped: int
    seconds: float
    untried: Plain = ""

    @property
    def summary(self) -> str:
        return f"{self.passed} passed" + (f"; {self.untried}" if self.untried else "")


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image of a target, in a repository of one or more registries.

    `locations` are its URIs by tag. `size` is that of all compressed layers in bytes, None if
    unknown. `build_seconds` is the time of all build steps that were not cached, None if unknown.
    `layers` are pairs of digest and compressed size, which are short on the line; the lowest first,
    empty if unknown.
    """

    target: Word
    name: Word
    version: Word
    device: Annotated[str, Form(ANY_DEVICE, "is not a device")]
    python: Annotated[str, Form(names.PYTHON, "is not a Python version")]
    purpose: Annotated[str, Form(ANY_PURPOSE, "is not a purpose")]
    repository: Repository
    tag: Tag
    digest: Digest
    config_digest: Digest
    size: int | None
    locations: tuple[Word, ...]
    origin: Origin | None
    verdict: Verdict
    build_seconds: float | None = None
    layers: tuple[tuple[Word, int], ...] = ()

    @property
    def cell(self) -> tuple[str, str, str, str]:
        """What it has in common with its older and newer versions: its cell of the matrix."""
        return self.name, self.device, self.python, self.purpose

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(map(self.host_of, self.locations))

    def host_of(self, location: str) -> str:
        return location.removesuffix(f"/{self.repository}:{self.tag}")


@dataclass(frozen=True, kw_only=True)
class Move:
    """An alias that has moved in one registry, from a digest (None for a new alias) to another.

    `tag` is the exact tag of the image that the alias points to now.
    """

    host: Host
    repository: Repository
    alias: Tag
    before: Digest | None
    after: Digest
    tag: Tag


@dataclass(frozen=True, kw_only=True)
class Release:
    """The record of one run. `id` is unique and sorts by time; `time` is UTC in ISO 8601.

    `commit` is that of the project's repository, with `-dirty` if files differ from it.
    """

    id: Id
    time: Time
    action: Action
    tool: Word
    commit: Word | None
    images: tuple[Image, ...] = ()
    moves: tuple[Move, ...] = ()


def consistent(release: Release) -> Release:
    """The record itself. Raises ValueError if two of its values contradict each other."""
    if release.id[: len("20261121T161654")] != re.sub("[:Z-]", "", release.time):
        raise ValueError(f"time: {release.time} is not the time of the id {release.id}")
    for number, image in enumerate(release.images):
        place = f"images[{number}]"
        target = f"{image.name}-{image.version}-{image.device}-py{image.python.replace('.', '')}"
        if image.target not in (target, f"{target}-{image.purpose}"):
            raise ValueError(f"{place}.target: {shown(image.target)} is not `{target}`")
        if not image.locations:
            raise ValueError(f"{place}.locations: the list is empty")
        for location in image.locations:
            host, _, rest = location.partition("/")
            if rest != f"{image.repository}:{image.tag}" or not HOST.fullmatch(host):
                raise ValueError(
                    f"{place}.locations: {shown(location)} is not a registry's "
                    f"`{image.repository}:{image.tag}`"
                )
    return release
