"""`base = { prebuilt = … }` of a target -> the URI of AWS's image in a region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildkit.model import names
from buildkit.prebuilt import facts
from buildkit.prebuilt.lookup import look_up
from buildkit.prebuilt.question import Query
from buildkit.support.errors import BuildkitError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit.config.schema import PrebuiltTable

PURPOSES = {  # what the target is for, on x86 and on ARM -> AWS's word for it
    ("training", "linux/amd64"): "training",
    ("inference", "linux/amd64"): "inference",
    ("inference", "linux/arm64"): "inference_graviton",
    ("processing", "linux/amd64"): "processing",
    ("both", "linux/amd64"): None,  # some of AWS's images are for either
}


NO_REGION = (
    "AWS's image is another one in each region: write `region` below `[registry]`, or set "
    "AWS_REGION (not for `render`, whose output must not depend on who runs it)"
)


def base(table: PrebuiltTable, words: Mapping[str, str], platform: str, region: str) -> str:
    """The URI of what the table asks for. Raises ValueError with what AWS has instead."""
    asked: dict[str, Any] = {
        key: None if value is None else names.expand(value, dict(words))
        for key, value in table.model_dump(exclude={"region"}).items()
    }
    if asked["purpose"] is None:
        if (words["purpose"], platform) not in PURPOSES:
            raise ValueError(f"{facts.source()} has no image for {words['purpose']} on {platform}")
        asked["purpose"] = PURPOSES[words["purpose"], platform]
    try:
        return look_up(Query(region=region, **asked)).uri
    except BuildkitError as error:
        given = ", ".join(
            f'{key.replace("_", "-")} = "{value}"' for key, value in asked.items() if value
        )
        hint = (error.hint or "").replace("--", "")  # keys here, options of a command there
        raise ValueError(f"{error.message}; {hint}; the table asks for {{ {given} }}") from error
