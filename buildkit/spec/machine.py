"""Instance types for a target, and the AMIs that they have to be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.amis import fit
from buildkit.matrix import compatibility
from buildkit.model.target import Device
from buildkit.prebuilt import instances
from buildkit.spec.kinds import ARM
from buildkit.support.errors import NothingSelectedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.model.target import Target

CPU = ("ml.m5.large", "ml.m5.xlarge", "ml.c5.xlarge")
GPU = ("ml.g5.xlarge", "ml.g4dn.xlarge", "ml.g5.2xlarge")
GRAVITON = ("ml.m6g.large", "ml.c7g.large")
"""Small types that each request takes: API reference, ResourceConfig, ProductionVariant,
TransformResources and ProcessingClusterConfig, read 2026-12. Graviton: only ProductionVariant."""
PREFIX = "ml."


def types(target: Target, given: Sequence[str]) -> tuple[str, ...]:
    """The given instance types, else some for the device of the target.

    Raises UsageError for a type that SageMaker does not have, or that cannot run the image.
    """
    for each in given:
        _check(target, each)
    if given:
        return tuple(dict.fromkeys(given))
    if target.platform == ARM:
        return GRAVITON
    return GPU if target.device is Device.GPU else CPU


def _check(target: Target, given: str) -> None:
    if not given.startswith(PREFIX):
        raise UsageError(
            f"`{given}` is not an instance type of SageMaker",
            hint="`--instance-type ml.m5.large`",
        )
    instances.is_known(given)  # raises for what is no instance type
    try:
        devices = instances.devices(given)
    except NothingSelectedError:  # of a new family
        return
    usual = types(target, ())[0]
    if target.device is Device.GPU and "gpu" not in devices:
        raise UsageError(
            f"`{given}` has no NVIDIA GPU, and {target.id} is for GPUs",
            hint=f"`--instance-type {usual}`",
        )
    if instances.is_arm(given) is not (target.platform == ARM):
        raise UsageError(
            f"`{given}` does not run images for {target.platform}",
            hint=f"`--instance-type {usual}`",
        )


def ami(target: Target, job: str, instance_type: str) -> tuple[str | None, str | None]:
    """The AMI to ask for, and what a person should know about it; None if there is nothing."""
    if target.device is not Device.GPU:
        return None, None
    cuda = compatibility.cuda_of(target)
    key = fit.OPTIONS[job]
    if cuda is None or cuda.needs is None:
        return None, (
            f"no {key}: the CUDA version of the image is unknown; `buildkit test {target.id}` "
            "names the AMI (GPU-03)"
        )
    family = instance_type.split(".")[1]
    asked = fit.ask(cuda.needs, job, family)
    if asked.ami is None:
        return None, f"no {key}: {asked}, CUDA {cuda.version}"
    if not fit.accepts(family, asked.ami):
        return asked.ami.name, (
            f"{key} {asked.ami.name} fits CUDA {cuda.version}, but it is unknown whether "
            f"ml.{family} accepts that AMI"
        )
    if asked.state is not fit.State.FITS:
        return asked.ami.name, f"{asked}, CUDA {cuda.version}"
    return asked.ami.name, None
