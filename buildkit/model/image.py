"""An image from its build to its registries: each value holds the whole previous one.

Frozen, without I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from buildkit.model import names
from buildkit.model.target import Purpose, Target  # noqa: TC001 - records are read by it
from buildkit.support.decode import Word  # noqa: TC001 - records are read by it

Plain = Annotated[str, names.plain]
IDENTITY = "buildkit.identity"
"""The label of an image with its identity."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What an image was built from: its base, and `inputs`, the digest of everything else.

    `base` is the reference that was used, after substitution. `base_digest` is its digest in its
    registry, else the engine's id of the base (with the classic store, the digest of its
    configuration), None if both are unknown. `identity` is the digest of all of it, which the image
    has as a label; None if it was unknown before the build. `parts` are the digests of what
    `inputs` consists of, by the names that people know.
    """

    base: Word
    base_digest: Word | None = None
    inputs: Word | None = None
    identity: Word | None = None
    parts: tuple[tuple[Plain, Word], ...] = ()

    def pinned(self, length: int | None = None) -> str:
        """The base with its digest, cut to `length` characters: `python:3.11@sha256:1f4b…`."""
        if self.base_digest is None or "@" in self.base:
            return self.base
        return f"{self.base}@{self.base_digest[:length]}"


@dataclass(frozen=True, kw_only=True)
class Built:
    """An image in the engine.

    `image_id` is the id for `docker run` and `docker tag`. `manifest_digest` is None if the
    engine's classic store makes the manifest only for a push. `seconds` is the time of all build
    steps that were not cached, None if unknown.
    """

    target: Target
    image_id: str
    config_digest: str
    manifest_digest: str | None
    origin: Origin | None = None
    seconds: float | None = None


class Level(str, Enum):
    REQUIRED = "required"
    RECOMMENDED = "recommended"
    INFORMATIONAL = "informational"


class Status(str, Enum):
    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    WARN = "warn"
    SKIP = "skip"


class SkipKind(str, Enum):
    """What a clause was skipped for, as far as anything depends on it."""

    PURPOSE = "purpose"
    FEATURE = "feature"
    CAUSE = "cause"
    BUSY = "busy"
    SAMPLES = "samples"
    UNSEEN = "unseen"


@dataclass(frozen=True, kw_only=True)
class Skip:
    """Why a clause was skipped; the message of its result says the same in full.

    `reason` is one for all clauses that were skipped for it. `about` is the feature that the image
    does not promise, or the clause that is the cause. `said` is what a failed run left in
    /opt/ml/output/failure.
    """

    kind: SkipKind
    reason: str
    about: str = ""
    said: str = ""


class Verdict(str, Enum):
    """The result of a test. `unjudged`: nothing is broken, but the image was never run."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    UNJUDGED = "unjudged"


@dataclass(frozen=True, kw_only=True)
class ClauseResult:
    """The result of one clause of the SageMaker contract for one image.

    `skip` is set where the clause was skipped, but not in records of older versions. `cause` is the
    broken clause that explains this result, empty if none does.
    """

    id: str
    level: Level
    status: Status
    title: str
    message: str
    hint: str
    seconds: float
    skip: Skip | None = None
    cause: str = ""

    def skipped_for(self, *kinds: SkipKind) -> bool:
        return self.skip is not None and self.skip.kind in kinds


@dataclass(frozen=True, kw_only=True)
class Report:
    """The results of all clauses for one image. `suite` identifies the clauses and samples used.

    `at` is the start of the test, UTC in ISO 8601; `tool` the version of buildkit. `sampled`:
    samples are declared. `kept` are the files that the test has left beside its record.
    """

    image: str
    digest: str
    profile: str
    suite: str
    clauses: tuple[ClauseResult, ...]
    seconds: float = 0.0
    purpose: Purpose | None = None
    platform: str = ""
    at: str = ""
    tool: str = ""
    sampled: bool = True
    kept: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return all(clause.status is not Status.FAIL for clause in self.clauses)


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A built image that passed its test. Only `verify` makes one, and only this can be pushed.

    A report of another image, or one that has not passed, is a ValueError, also in a record.
    """

    built: Built
    report: Report

    def __post_init__(self) -> None:
        if not self.report.passed or not self.report.clauses:
            raise ValueError("the report has not passed")
        if self.report.digest != self.built.image_id:
            raise ValueError("the report is of another image")


@dataclass(frozen=True, kw_only=True)
class Staged:
    """A tested image that registries hold by digest, until it is tagged there."""

    verified: Verified
    digest: str
    hosts: tuple[str, ...]

    @property
    def digest_uris(self) -> tuple[str, ...]:
        repository = self.verified.built.target.repository
        return tuple(f"{host}/{repository}@{self.digest}" for host in self.hosts)


@dataclass(frozen=True, kw_only=True)
class Location:
    """An image by its tag, in one registry. `pushed`: this run has tagged it there."""

    uri: str
    pushed: bool


@dataclass(frozen=True, kw_only=True)
class InRegistries:
    """An image in registries, by tag and by digest. The first location is the one to print."""

    digest: str
    locations: tuple[Location, ...]

    @property
    def uri(self) -> str:
        return self.locations[0].uri

    @property
    def pushed(self) -> bool:
        return any(each.pushed for each in self.locations)

    @property
    def digest_uris(self) -> tuple[str, ...]:
        return tuple(f"{each.uri.rpartition(':')[0]}@{self.digest}" for each in self.locations)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer in a registry; `size` is compressed, in bytes."""

    digest: Word
    size: int


@dataclass(frozen=True, kw_only=True)
class Published(InRegistries):
    """A tested image in registries.

    `size` is that of all compressed layers in bytes; `manifest_size` that of the manifest. `layers`
    are the lowest first; none in records of older versions.
    """

    verified: Verified
    size: int
    manifest_size: int
    layers: tuple[Layer, ...] = ()
