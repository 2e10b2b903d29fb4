"""`buildkit uri FRAMEWORK --prebuilt`: one image of AWS, by the data of this tool."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from buildkit import console
from buildkit.errors import UsageError
from buildkit.prebuilt.lookup import look_up
from buildkit.prebuilt.question import Query

if TYPE_CHECKING:
    from buildkit.uri.asked import Asked

REGION = ("AWS_REGION", "AWS_DEFAULT_REGION")
UNTAGGED = "latest"
"""What a registry takes for an image without a tag."""


def answer(asked: Asked) -> None:
    assert asked.target is not None
    found = look_up(
        Query(
            framework=asked.target,
            region=_region() if asked.region is None else asked.region,
            version=asked.version,
            python=asked.python,
            device=asked.device,
            instance_type=asked.instance_type,
            purpose=asked.purpose,
            base_framework=asked.base_framework,
            accelerator=asked.accelerator,
            container_version=asked.container_version,
            smdistributed=asked.smdistributed,
        )
    )
    document, uri = found._asdict(), found.uri
    if asked.verify:
        from pathlib import Path  # noqa: PLC0415

        from buildkit.uri import verify  # noqa: PLC0415 - it loads what talks to AWS

        digest = verify.verify(
            Path(asked.file), found.host, found.repository, found.tag or UNTAGGED
        )
        uri = f"{found.host}/{found.repository}@{digest}"
        document |= {"digest": digest, "digest_uri": uri}
    if asked.as_json:
        import json  # noqa: PLC0415 - it takes long to load, too

        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(uri)


def _region() -> str:
    """The region of the environment. Raises UsageError without one."""
    for name in REGION:
        if region := os.environ.get(name):
            console.say(f"the region is {region}, by {name}")
            return region
    raise UsageError(
        "AWS's image is another one in each region, and none is named",
        hint="`--region eu-west-1`, or set AWS_REGION",
    )
