"""`base` and `cuda-compat` of images.toml -> the images that a target is built from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from buildkit.amis import facts as hosts
from buildkit.config import schema
from buildkit.matrix import cells
from buildkit.matrix.draft import cause
from buildkit.model import names
from buildkit.model.target import CudaCompat, Device, Purpose
from buildkit.prebuilt import facts
from buildkit.prebuilt.lookup import look_up
from buildkit.prebuilt.question import Query
from buildkit.support import addresses
from buildkit.support.errors import BuildkitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.config.problems import Problems
    from buildkit.config.toml import Where
    from buildkit.matrix.cells import Cell
    from buildkit.matrix.draft import Draft

NOTHING = "scratch"
"""Stands for a base that has a problem."""
OPTION = re.compile(r"(`buildkit [^`]*`)|(?<![\w-])--(?=[a-z])")
"""The dashes before the name of an option, or a whole command."""
EXAMPLE_BASES = {
    Device.CPU: "python:{python}-slim-bookworm",
    Device.GPU: "nvidia/cuda:12.6.3-runtime-ubuntu24.04",
}
EXAMPLE_COMPAT = "nvidia/cuda:13.0.1-base-ubuntu24.04"
AWS_PURPOSES = {  # the purpose and the platform of a target -> AWS's word
    (Purpose.TRAINING, "linux/amd64"): "training",
    (Purpose.INFERENCE, "linux/amd64"): "inference",
    (Purpose.INFERENCE, "linux/arm64"): "inference_graviton",
    (Purpose.PROCESSING, "linux/amd64"): "processing",
    (Purpose.BOTH, "linux/amd64"): None,  # some of AWS's images are for both
}
NO_GPU = (
    'no effect: only images for GPUs get these libraries; write `devices = ["gpu"]`, or remove '
    "this key"
)
NO_REGION = (
    "AWS's images differ by region: write `region` below `[registry]`, or set AWS_REGION "
    "(`render` ignores it: its output is the same for everybody)"
)


def base(draft: Draft) -> str:
    at, bases = draft.entry.at("base"), draft.entry.given("base") or {}
    match bases.get(draft.cell.device):
        case str() as pattern:
            return draft.problems.check(at, names.reference, draft.filled(pattern), pattern)
        case schema.Prebuilt(prebuilt=table):
            return _prebuilt(draft, table, (*at, "prebuilt"))
        case _:
            if not draft.lacks("base", "dockerfile"):
                draft.problems.add(at, _no_base(draft.cell.device, is_table=bool(bases)))
            return NOTHING


def cuda_compat(draft: Draft) -> CudaCompat | None:
    """What `cuda-compat` names, for a target that runs on GPUs."""
    pattern = draft.entry.given("cuda_compat")
    if pattern is None or draft.cell.device is not Device.GPU:
        return None
    at, image = draft.entry.at("cuda_compat"), draft.filled(pattern)
    draft.problems.check(at, _with_cuda, image, pattern)
    driver = _driver(image)
    return driver and CudaCompat(image=image, driver=driver.compat)


def check_cuda_compat(
    name: str, image: schema.Image, found: Sequence[Cell], problems: Problems
) -> None:
    """Add the problem of a `cuda-compat` that no target for GPUs of the image has."""
    layers: list[tuple[Where, schema.Facts, Sequence[Cell]]] = [(("image", name), image, found)]
    for number, rule in enumerate(image.override):
        matched = [cell for cell in found if cells.matches(cell, rule.when)]
        layers.append((("image", name, "override", number), rule, matched))
    for at, layer, its in layers:
        if layer.cuda_compat and its and not any(each.device is Device.GPU for each in its):
            problems.add((*at, "cuda-compat"), NO_GPU)


def _with_cuda(image: str) -> str:
    """The name of an image, if it shows a CUDA version. Raises ValueError."""
    names.reference(image)
    if _driver(image) is None:
        raise ValueError(
            f"{addresses.quoted(image)} shows no known CUDA version in its name, as "
            f"`{EXAMPLE_COMPAT}` does"
        )
    return image


def _driver(image: str) -> hosts.Driver | None:
    cuda = hosts.of_reference(image)
    return hosts.drivers().get(cuda.major) if cuda else None


def _prebuilt(draft: Draft, table: schema.PrebuiltTable, at: Where) -> str:
    """The URI of AWS's image that the table names, or the problem with what AWS has instead."""
    if (region := table.region or draft.config.region) is None:
        if not draft.lacks("base", "region", "registry"):
            draft.problems.add(at, NO_REGION)
        return NOTHING

    def refused(message: str) -> str:
        same = cause(at, message, draft.words.values())
        draft.problems.add(at, f"{draft.id}: {message}", same)
        return NOTHING

    asked: dict[str, Any] = {
        key: None if value is None else draft.filled(value)
        for key, value in table.model_dump(exclude={"region"}).items()
    }
    if asked["purpose"] is None:
        purpose, platform = draft.cell.purpose, draft.entry.given("platform")
        if (purpose, platform) not in AWS_PURPOSES:
            return refused(f"{facts.source()} has no image for {purpose.value} on {platform}")
        asked["purpose"] = AWS_PURPOSES[purpose, platform]
    try:
        return look_up(Query(region=region, **asked)).uri
    except BuildkitError as error:
        given = ", ".join(
            f'{key.replace("_", "-")} = "{value}"' for key, value in asked.items() if value
        )
        why = f"{error.message}; {error.hint or ''}"
        why = OPTION.sub(r"\1", why)  # the error names options; these are keys
        return refused(f"{why}; `prebuilt` asked for {{ {given} }}")


def _no_base(device: Device, *, is_table: bool) -> str:
    example = EXAMPLE_BASES[device]
    edit = (
        f'add `{device.value} = "{example}"` to `base`'
        if is_table
        else f'write `base = "{example}"`'
    )
    return f"no base for {device.value}; {edit}, or name another image"
