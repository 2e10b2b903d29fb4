"""The values that cross stages. Frozen, without I/O; each holds the whole previous one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from buildkit.model.families import Family  # noqa: TC001 - records are read by it
from buildkit.model.features import OF_INFERENCE, OF_TRAINING, Feature
from buildkit.model.origin import Origin  # noqa: TC001 - records are read by it


class Device(str, Enum):
    CPU = "cpu"
    GPU = "gpu"


class Purpose(str, Enum):
    """What an image is for: `train`, `serve`, or both words (contract RUN-01, RUN-02, RUN-03).

    An image for processing knows neither: it is started as it is (PROC-01).
    """

    TRAINING = "training"
    INFERENCE = "inference"
    BOTH = "both"
    PROCESSING = "processing"

    @property
    def trains(self) -> bool:
        return self in (Purpose.TRAINING, Purpose.BOTH)

    @property
    def serves(self) -> bool:
        return self in (Purpose.INFERENCE, Purpose.BOTH)

    def allows(self, feature: Feature) -> bool:
        """Whether an image of this purpose can do that."""
        return (self.trains or feature not in OF_TRAINING) and (
            self.serves or feature not in OF_INFERENCE
        )


class Profile(str, Enum):
    """How much of the suite is run: `smoke` gates a build, `full` is all that applies."""

    SMOKE = "smoke"
    FULL = "full"


@dataclass(frozen=True, kw_only=True)
class Payload:
    """One request to `/invocations` and the answer that is right. Paths are absolute.

    `headers` are pairs of a name and a value, besides Content-Type and Accept.
    """

    content_type: str
    body: str
    answer: str | None = None
    accept: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What a smoke test feeds an image. Paths are absolute.

    `channels` become `/opt/ml/input/data/<name>`, `code` becomes `/opt/ml/code`, `model` is put
    under `/opt/ml/model` of an image that only serves. `metrics` are names and regular
    expressions, `objective` the name of one of them that tuning looks at. `startup_seconds` is
    how long a server may take until it is healthy, None for SageMaker's own limit. `environment`
    are variables of the job and of the model server. `default`: nobody has declared any, and these
    are the suite's own.
    """

    hyperparameters: tuple[tuple[str, str], ...] = ()
    channels: tuple[tuple[str, str], ...] = ()
    code: str | None = None
    model: str | None = None
    payloads: tuple[Payload, ...] = ()
    metrics: tuple[tuple[str, str], ...] = ()
    objective: str | None = None
    startup_seconds: int | None = None
    environment: tuple[tuple[str, str], ...] = ()
    default: bool = False

    @property
    def declared(self) -> bool:
        """Whether anybody has said what this image is to be tested with."""
        return not self.default and self != Samples()

    @property
    def trainable(self) -> bool:
        """Whether there is anything that `train` could work on."""
        return bool(self.hyperparameters or self.channels or self.code)


@dataclass(frozen=True, kw_only=True)
class Target:
    """One cell of the matrix, with everything that its image is made from.

    `version` is the author's string, `1.7.2-1`; `framework_version` is it without the revision.
    `end_of_life` is the month, `2023-09`, since which nobody mends the framework any more.
    `indexes` are the addresses of package indexes that pip asks beside its own.
    `family` is None if no alias follows the versions of this target. `network`: its tests have one.
    """

    id: str
    name: str
    version: str
    framework_version: str
    device: Device
    python: str
    purpose: Purpose
    platform: str
    base: str
    template: str
    packages: tuple[str, ...]
    args: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]
    context: str | None
    repository: str
    tag: str
    features: tuple[Feature, ...] = ()
    indexes: tuple[str, ...] = ()
    lock: str | None = None
    end_of_life: str | None = None
    family: Family | None = None
    network: bool = False
    samples: Samples = field(default=Samples(), repr=False)

    @property
    def recipe(self) -> Target:
        """What makes and names the image: all but where files lie here, and where aliases go."""
        made = replace(self, samples=Samples(), context=None, end_of_life=None, family=None)
        made = replace(made, network=False)  # of its test
        return replace(made, lock=self.lock and self.lock.rpartition("/")[2])

    @property
    def image(self) -> str:
        """The name of the image in the local engine, before it has a registry."""
        return f"{self.repository}:{self.tag}"


@dataclass(frozen=True, kw_only=True)
class Rendered:
    target: Target
    dockerfile: str


@dataclass(frozen=True, kw_only=True)
class Built:
    """An image in the engine.

    `image_id` is what `docker run` and `docker tag` take. `manifest_digest` is None where the
    engine's classic image store makes the manifest only when it pushes. `seconds` is the time
    of all steps of its build that were not cached, None if nobody knows.
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
    """What a test comes to. `unjudged`: nothing is broken, and the image was not seen at work."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    UNJUDGED = "unjudged"


@dataclass(frozen=True, kw_only=True)
class ClauseResult:
    """What one clause of the SageMaker contract came to, in one image.

    `skip` is set where the clause was skipped, but not in records of older versions.
    """

    id: str
    level: Level
    status: Status
    title: str
    message: str
    hint: str
    seconds: float
    skip: Skip | None = None

    def skipped_for(self, *kinds: SkipKind) -> bool:
        return self.skip is not None and self.skip.kind in kinds


@dataclass(frozen=True, kw_only=True)
class Report:
    """All clauses of one image. `suite` identifies the clauses and samples that were used.

    `at` is when the test began, UTC in ISO 8601; `tool` the version of buildkit. `sampled`: samples
    are declared. `kept` are the files that the test has left beside its record.
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

    A report that is not of this image, or that did not pass, is a ValueError, also in a record.
    """

    built: Built
    report: Report

    def __post_init__(self) -> None:
        if not self.report.passed or not self.report.clauses:
            raise ValueError("its report has not passed")
        if self.report.digest != self.built.image_id:
            raise ValueError("its report is of another image")
