"""What the catalogue shows of each image: facts of images.toml, the ledger and dist/.

What is on none of these records is None or empty: the page says that it is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.model.image import ClauseResult, Layer

LARGE = 1000
"""With more images, a page leaves out what needs most room, and the command says that it works."""


class State(str, Enum):
    """Of an image: in the ledger, only in images.toml, or only in the ledger."""

    PUBLISHED = "published"
    NOT_PUBLISHED = "not published"
    REMOVED = "removed from images.toml"


class Result(str, Enum):
    """Of the test. `PARTLY`: nothing is broken, but the image was not seen to do all it is for."""

    PASSED = "passed"
    PARTLY = "partly tested"
    FAILED = "failed"
    UNTESTED = "not tested"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Numbers of clauses by status. `untried` is what the image was not seen to do, and why.

    `broken` are the clauses that failed or warned; None if the ledger has only their number.
    `skipped_for` counts skipped clauses by reason.
    """

    result: Result
    profile: str = ""
    at: str = ""
    seconds: float = 0.0
    passed: int = 0
    failed: int = 0
    warned: int = 0
    skipped: int = 0
    untried: str = ""
    broken: tuple[ClauseResult, ...] | None = None
    skipped_for: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Location:
    """An image in one registry. `region` is None outside of ECR."""

    region: str | None
    uri: str
    digest_uri: str


@dataclass(frozen=True, kw_only=True)
class Alias:
    """`hosts` are the registries where it points to the image; `everywhere`: in all of them."""

    name: str
    hosts: tuple[str, ...]
    everywhere: bool


@dataclass(frozen=True, kw_only=True)
class Size:
    """A published image of the same cell of the matrix; `bytes` of its compressed layers."""

    version: str
    time: str
    digest: str
    bytes: int | None

    def more_than(self, before: Size | None) -> int | None:
        """Bytes more than another image; None if one of the sizes is unknown."""
        if before is None or before.bytes is None or self.bytes is None:
            return None
        return self.bytes - before.bytes


@dataclass(frozen=True, kw_only=True)
class Release:
    """How an image was published: `record` is the id of its record in the ledger."""

    record: str
    time: str
    commit: str | None
    digest: str
    size: int | None
    locations: tuple[Location, ...]
    aliases: tuple[Alias, ...]
    layers: tuple[Layer, ...]
    base: str | None
    build_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Packages:
    """`requested` by images.toml; `locked` are those of images.lock.

    `current`: the published image has the locked ones. None if that is unknown, or there is none.
    """

    requested: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()
    current: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """The CUDA version, the oldest driver for it, and the AMIs to ask for, in words."""

    cuda: str
    driver: int | None
    amis: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One image of the catalogue.

    `built`: dist/ has a build of the target. `local` is the test of that build, if another image is
    published. `gpu` is None for CPU images, and if the CUDA version is unknown. `platform` is None
    for a removed target.
    """

    id: str
    name: str
    version: str
    device: str
    python: str
    purpose: str
    image: str
    state: State
    test: Judged
    platform: str | None = None
    base: str | None = None
    end_of_life: str | None = None
    ended: bool = False
    built: bool = False
    local: Judged | None = None
    release: Release | None = None
    packages: Packages | None = None
    gpu: Gpu | None = None
    sizes: tuple[Size, ...] = ()

    @property
    def growth(self) -> int | None:
        """Bytes more than the version before; None if one of the sizes is unknown."""
        if len(self.sizes) < 2:  # noqa: PLR2004 - two to compare
            return None
        before, now = self.sizes[-2:]
        return now.more_than(before)


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """`made` is when, in UTC; `newest` is the time of the newest record, None without a ledger."""

    entries: tuple[Entry, ...]
    made: str
    tool: str
    newest: str | None
    records: int

    def of(self, state: State) -> Sequence[Entry]:
        return [each for each in self.entries if each.state is state]
