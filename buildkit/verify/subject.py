"""The subject of `buildkit test IMAGE`: image, purpose, samples and promised features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.contract import probe
from buildkit.contract.engine import Unfit
from buildkit.contract.scenario import Subject
from buildkit.model.features import promised
from buildkit.model.target import Purpose
from buildkit.support.errors import NothingSelectedError, UsageError
from buildkit.system import console, stopping

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from buildkit.engine.engine import Engine
    from buildkit.model.features import Feature
    from buildkit.model.target import Samples, Target
    from buildkit.project import Project


def itself(project: Project | None, image: str) -> Target | None:
    """The target whose image this is, by name."""
    targets = () if project is None else project.targets
    return next((each for each in targets if f"/{image}".endswith(f"/{each.image}")), None)


def of(
    docker: Engine,
    image: str,
    *,
    itself: Target | None,
    lender: Target | None,
    purposes: Sequence[str],
    features: Collection[Feature],
    network: bool,
    samples: Samples,
) -> Subject:
    """The image to test, with its purpose, samples and features.

    A purpose that no option names is that of the target that the image is, or of the one that
    lends its samples. `network` is also true for a target that asks for a network.
    """
    if docker.find(image) is None:
        raise NothingSelectedError(
            f"`{image}` is neither a target of images.toml nor an image in the engine",
            hint=f"list the targets with `buildkit list`, or pull it: `docker pull {image}`",
        )
    network = network or (itself is not None and itself.network)
    promises = frozenset(features) | frozenset(() if itself is None else itself.features)
    purpose = _named(purposes) or _of_a_target(image, itself, lender)
    if purpose is None:
        engine = docker.connected(outside=network)
        purpose = _found(engine, image, promises, samples)
    if wrong := [each.value for each in features if not purpose.allows(each)]:
        raise UsageError(
            f"the feature `{wrong[0]}` does not apply to images for {purpose.value}",
            hint="omit `--feature`, or add `--purpose` (it can be repeated)",
        )
    return Subject(
        image=image,
        architecture=None if itself is None else itself.platform.partition("/")[2],
        purpose=purpose,
        samples=samples,
        features=promises,
        network=network,
    )


def _of_a_target(image: str, itself: Target | None, lender: Target | None) -> Purpose | None:
    if itself is not None:
        return itself.purpose
    if lender is None:
        return None
    console.step(image, f"purpose, taken from {lender.id}: {lender.purpose.value}")
    return lender.purpose


def _named(purposes: Sequence[str]) -> Purpose | None:
    """The purpose that the options name. Raises UsageError for two that exclude each other."""
    if len(set(purposes)) > 1 and Purpose.PROCESSING.value in purposes:
        raise UsageError(
            "the purpose processing excludes the others: such an image is started without "
            "arguments",
            hint="use `--purpose processing` alone, or `--purpose training --purpose inference`",
        )
    if not purposes:
        return None
    return Purpose(purposes[0]) if len(set(purposes)) == 1 else Purpose.BOTH


def _why_unknown(docker: Engine, image: str) -> str:
    """Why the purpose of an image was not detected."""
    try:
        held = " and ".join(f"`{word}`" for word in probe.held(image, docker))
    except Unfit as error:
        return f"cannot be started: {error}"
    if held:
        return f"has {held} on its PATH, which its ENTRYPOINT did not start"
    return "starts neither `train` nor `serve`"


def _found(docker: Engine, image: str, features: Iterable[Feature], samples: Samples) -> Purpose:
    """The purpose of the image, by what it can start and by the samples that are given for it."""
    known = {*features, *promised(docker.view(image).labels)}
    found = probe.purpose(image, docker, known, dict(samples.environment))
    stopping.check()  # an image that is being removed proves nothing
    if found is None:
        console.step(image, f"{_why_unknown(docker, image)}; testing for both")
        console.say("hint: name the purpose of the image with `--purpose`", fg="cyan")
        return Purpose.BOTH
    console.step(image, f"purpose, detected: {found.value}")
    if (unseen := _only_sampled(found, samples)) is None:
        return found
    if found is Purpose.PROCESSING:
        if unseen is Purpose.INFERENCE:
            console.step(
                image,
                "the samples for inference are not used: the image is for processing; "
                "`--purpose inference` tests it for that",
            )
        return found
    console.step(image, f"there are samples for {unseen.value}; testing for both")
    return Purpose.BOTH


def _only_sampled(found: Purpose, samples: Samples) -> Purpose | None:
    """A purpose that a user gives samples for, and that was not found."""
    if (
        samples.declared
        and (samples.payloads or samples.model or samples.adapter)
        and not found.serves
    ):
        return Purpose.INFERENCE
    return Purpose.TRAINING if samples.declared and samples.trainable and not found.trains else None
