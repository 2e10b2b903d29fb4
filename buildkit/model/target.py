"""What is built: a target, how it is tested, and its Dockerfile. Frozen, without I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from buildkit.model.families import Family  # noqa: TC001 - records are read by it
from buildkit.model.features import OF_INFERENCE, OF_TRAINING, Feature

PINNED = "images.lock"
"""What the packages of one target are called in its build: by the file that pins them."""


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
    under `/opt/ml/model` of an image that only serves, `adapter` is what a running server loads.
    `metrics` are names and regular expressions, `objective` the name of one of them that tuning
    looks at. `startup_seconds` is how long a server may take until it is healthy, None for
    SageMaker's own limit. `environment` are variables of the job and of the model server.
    `default`: none are declared, and these are the suite's own.
    """

    hyperparameters: tuple[tuple[str, str], ...] = ()
    channels: tuple[tuple[str, str], ...] = ()
    code: str | None = None
    model: str | None = None
    adapter: str | None = None
    payloads: tuple[Payload, ...] = ()
    metrics: tuple[tuple[str, str], ...] = ()
    objective: str | None = None
    startup_seconds: int | None = None
    environment: tuple[tuple[str, str], ...] = ()
    default: bool = False

    @property
    def declared(self) -> bool:
        """Whether samples are declared for this image."""
        return not self.default and self != Samples()

    @property
    def trainable(self) -> bool:
        """Whether there are samples for `train`."""
        return bool(self.hyperparameters or self.channels or self.code)


@dataclass(frozen=True, kw_only=True)
class Pins:
    """What images.lock pins for a target: the digests of its images, its packages with hashes.

    `cuda_compat` is the digest of the image that cuda-compat comes from. `packages` is the SHA-256
    of the list of packages, as pip reads it. None: not pinned.
    """

    base: str | None = None
    packages: str | None = None
    cuda_compat: str | None = None


@dataclass(frozen=True, kw_only=True)
class CudaCompat:
    """NVIDIA's libraries for hosts with an older driver, and the image that they come from.

    `driver` is the oldest branch of drivers that they support.
    """

    image: str
    driver: int


@dataclass(frozen=True, kw_only=True)
class Target:
    """One cell of the matrix, with everything that its image is made from.

    `version` is the author's string, `1.7.2-1`; `framework_version` is it without the revision.
    `dockerfile` is the path of a Dockerfile of the user's own, and `stage` the stage to build, None
    for the last; `template` is empty then, and so is what only templates read.
    `end_of_life` is the month, `2023-09`, in which upstream support ended. `indexes` are the
    addresses of additional package indexes for pip. `lock` is a file of the user's own; if
    `lockable` is false, no lock pins the packages. `source_builds` are the packages that
    images.lock may have without wheels. `apt_snapshot` is the time of Debian's archive that apt
    installs from. `cuda_compat` is None for images without these libraries. `family` is None if
    this target has no aliases.
    `network`: its tests may use the network.
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
    dockerfile: str | None = None
    stage: str | None = None
    features: tuple[Feature, ...] = ()
    indexes: tuple[str, ...] = ()
    lock: str | None = None
    lockable: bool = True
    source_builds: tuple[str, ...] = ()
    apt_snapshot: str | None = None
    cuda_compat: CudaCompat | None = None
    pins: Pins = Pins()
    end_of_life: str | None = None
    family: Family | None = None
    network: bool = False
    samples: Samples = field(default=Samples(), repr=False)

    @property
    def recipe(self) -> Target:
        """What makes and names the image: all but where files lie here, and where aliases go."""
        lock = None if self.lock is None else self.lock_file
        made = replace(self, lock=lock, lockable=True)  # `pins` have the lock
        made = replace(made, context=None, dockerfile=None, end_of_life=None, family=None)
        return replace(made, samples=Samples(), network=False)  # of its test

    @property
    def entry(self) -> Target:
        """What images.toml itself says of the content of the image: the recipe without its name."""
        return replace(self.recipe, pins=Pins(), repository="", tag="")

    @property
    def images(self) -> dict[str, str | None]:
        """The images that the build pulls, by their names in images.toml, with what pins them.

        The base comes first, then the image of cuda-compat, unless that is the base. Other images
        of a Dockerfile of the user's own are left out.
        """
        found = {self.base: self.pins.base}
        if self.cuda_compat is not None:
            found.setdefault(self.cuda_compat.image, self.pins.cuda_compat)
        return found

    @property
    def lock_file(self) -> str | None:
        """The name of the lock that pip reads, in the context `lock`; None without a lock."""
        if self.lock is not None:
            return self.lock.rpartition("/")[2]
        return PINNED if self.pins.packages is not None else None

    @property
    def is_in_images_lock(self) -> bool:
        """Whether images.lock is to pin the packages: `lock` of images.toml is not set.

        What a Dockerfile of the user's own installs is unknown.
        """
        return self.lock is None and self.lockable and self.dockerfile is None

    @property
    def build_arguments(self) -> dict[str, str]:
        """The arguments that the build passes: templates write theirs into the text."""
        return dict(self.args) if self.dockerfile is not None else {}

    @property
    def image(self) -> str:
        """The name of the image in the local engine, before it has a registry."""
        return f"{self.repository}:{self.tag}"


@dataclass(frozen=True, kw_only=True)
class Rendered:
    target: Target
    dockerfile: str
