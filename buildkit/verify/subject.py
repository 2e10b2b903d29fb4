"""What `buildkit test IMAGE` tests: the image, its purpose, its samples and what it promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.contract import probe
from buildkit.contract.scenario import Subject
from buildkit.model.features import promised
from buildkit.model.target import Purpose
from buildkit.support.errors import NothingSelectedError, UsageError
from buildkit.system import console, stopping

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from buildkit.engine.engine import Engine
    from buildkit.model.features import Feature
    from buildkit.model.target import Samples, Target
    from buildkit.project import Project


def itself(project: Project | None, image: str) -> Target | None:
    """The target that an image is, by its name."""
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
    """What is tested.

    The purpose, where none is said, is that of the target that the image is, or of the one that
    lends its samples. `network`: with one, as also a target has it that asks for one and is this
    image.
    """
    if docker.find(image) is None:
        raise NothingSelectedError(
            f"`{image}` is no target of images.toml and no image of the engine",
            hint=f"`buildkit list` shows the targets; `docker pull {image}` fetches an image",
        )
    network = network or (itself is not None and itself.network)
    said = frozenset(features) | frozenset(() if itself is None else itself.features)
    purpose = _said(purposes)
    if purpose is None and (like := itself or lender) is not None:
        purpose = like.purpose
        if like is lender:
            console.step(image, f"purpose, as {like.id} has it: {purpose.value}")
    engine = docker.connected(outside=network)
    purpose = purpose or _found(engine, image, said, dict(samples.environment))
    for feature in features:
        if not purpose.allows(feature):
            raise UsageError(
                f"`{feature.value}` is nothing that an image for {purpose.value} can do",
                hint="leave out `--feature`, or say `--purpose` (it may be given twice)",
            )
    return Subject(
        image=image,
        architecture=None if itself is None else itself.platform.partition("/")[2],
        purpose=purpose,
        samples=samples,
        features=said,
        network=network,
    )


def _said(purposes: Sequence[str]) -> Purpose | None:
    """The purpose that is said. Raises UsageError for two that exclude each other."""
    if len(set(purposes)) > 1 and Purpose.PROCESSING.value in purposes:
        raise UsageError(
            "an image for processing is started without a word, and is for nothing else",
            hint="`--purpose processing` alone, or `--purpose training --purpose inference`",
        )
    if not purposes:
        return None
    return Purpose(purposes[0]) if len(set(purposes)) == 1 else Purpose.BOTH


def _found(
    docker: Engine, image: str, features: Iterable[Feature], variables: Mapping[str, str]
) -> Purpose:
    """What the image is for, by what it can start."""
    known = {*features, *promised(docker.view(image).labels)}
    found = probe.purpose(image, docker, known, variables)
    stopping.check()  # what an image seems to start while it is being removed says nothing
    if found is None:
        console.step(image, "knows neither `train` nor `serve`, and is tested for both")
        console.say("hint: `--purpose` says what it is for", fg="cyan")
        return Purpose.BOTH
    console.step(image, f"purpose, by what it can start: {found.value}")
    return found
