"""The requests that SageMaker takes for an image, and which of them a target allows."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from buildkit.model.features import Feature
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from buildkit.model.target import Target

ARM = "linux/arm64"


class Kind(str, Enum):
    """A request by the name of what it creates, in the order in which one sends them."""

    TRAINING_JOB = "training-job"
    MODEL = "model"
    ENDPOINT_CONFIG = "endpoint-config"
    ENDPOINT = "endpoint"
    TRANSFORM_JOB = "transform-job"
    ALGORITHM = "algorithm"
    MODEL_PACKAGE_GROUP = "model-package-group"
    MODEL_PACKAGE = "model-package"
    PROCESSING_JOB = "processing-job"

    @property
    def resource(self) -> str:
        """`TrainingJob`, as AWS's API calls it."""
        return "".join(word.capitalize() for word in self.value.split("-"))

    @property
    def operation(self) -> str:
        return f"Create{self.resource}"

    @property
    def method(self) -> str:
        """The method of a boto3 client."""
        return f"create_{self.value.replace('-', '_')}"


TRAINS = (Kind.TRAINING_JOB, Kind.ALGORITHM)
ON_X86 = (Kind.TRAINING_JOB, Kind.TRANSFORM_JOB, Kind.ALGORITHM, Kind.PROCESSING_JOB)
"""Requests whose instance types have no Graviton: API reference, ResourceConfig,
TransformResources and ProcessingClusterConfig, read 2026-12."""


def allowed(target: Target) -> tuple[Kind, ...]:
    return tuple(each for each in Kind if why_not(target, each) is None)


def why_not(target: Target, kind: Kind) -> str | None:
    """Why the target takes no such request; None if it does."""
    if kind is Kind.PROCESSING_JOB:
        processes = target.purpose is Purpose.PROCESSING or Feature.PROCESSING in target.features
        needs = None if processes else "`processing` among its purposes or features"
    elif kind in TRAINS:
        needs = None if target.purpose.trains else "an image that trains"
    else:
        needs = None if target.purpose.serves else "an image that serves"
    if needs is not None:
        return f"a request for `{kind.value}` needs {needs}"
    if target.platform == ARM and kind in ON_X86:
        return f"SageMaker has no instance for `{kind.value}` with an ARM processor"
    return None
