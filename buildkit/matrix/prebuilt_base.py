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

PURPOSES = {  # the purpose of a target and its platform -> AWS's word
    ("training", "linux/amd64"): "training",
    ("inference", "linux/amd64"): "inference",
    ("inference", "linux/arm64"): "inference_graviton",
    ("processing", "linux/amd64"): "processing",
    ("both", "linux/amd64"): None,  # some of AWS's images are for both
}


NO_REGION = (
    "AWS's images differ by region: write `region` below `[registry]`, or set AWS_REGION "
    "(`render` ignores it: its output is the same for everybody)"
)


def base(table: PrebuiltTable, words: Mapping[str, str], platform: str, region: str) -> str:
    """The URI of the image that the table names. Raises ValueError with what AWS has instead."""
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
        hint = (error.hint or "").replace("--", "")  # the hint names options; these are keys
        raise ValueError(f"{error.message}; {hint}; `prebuilt` asked for {{ {given} }}") from error
