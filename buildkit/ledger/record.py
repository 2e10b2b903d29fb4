"""The records of the ledger: what a run published, and which aliases it moved."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from buildkit.model import names
from buildkit.model.image import Origin  # noqa: TC001 - `decode` reads it
from buildkit.support.decode import Word, shown

REFERENCE = re.compile(r"[A-Za-z0-9._:/@\[\]-]+")
"""Characters of a URI by tag or digest, and of its parts."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def _reference(text: str) -> str:
    if not REFERENCE.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a reference")
    return text


def _digest(text: str) -> str:
    if not DIGEST.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a digest")
    return text


Reference = Annotated[str, _reference]
Digest = Annotated[str, _digest]
Plain = Annotated[str, names.plain]


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
    """

    target: Word
    name: Word
    version: Word
    device: Word
    python: Word
    purpose: Word
    repository: Reference
    tag: Reference
    digest: Digest
    config_digest: str
    size: int | None
    locations: tuple[Reference, ...]
    origin: Origin | None
    verdict: Verdict
    build_seconds: float | None = None

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

    host: Word
    repository: Word
    alias: Word
    before: Word | None
    after: Word
    tag: Word


@dataclass(frozen=True, kw_only=True)
class Release:
    """The record of one run. `id` is unique and sorts by time; `time` is UTC in ISO 8601.

    `commit` is that of the project's repository, with `-dirty` if files differ from it.
    """

    id: Word
    time: Word
    action: Action
    tool: Word
    commit: Word | None
    images: tuple[Image, ...] = ()
    moves: tuple[Move, ...] = ()
