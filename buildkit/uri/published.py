"""The images that this project has published, and their places, by the ledger alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from buildkit.ledger import ledger
from buildkit.ledger.record import Action
from buildkit.model.hosts import ECR_HOST

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildkit.ledger.record import Image, Release
    from buildkit.uri.asked import Asked

BOTH = ("training", "inference")
"""The purposes of an image for `both`."""


class Place(NamedTuple):
    """An image in one registry. `account` and `region` are those of ECR, None elsewhere."""

    image: Image
    record: str
    uri: str
    account: str | None
    region: str | None

    @property
    def host(self) -> str:
        return self.image.host_of(self.uri)

    @property
    def digest_uri(self) -> str:
        return f"{self.host}/{self.image.repository}@{self.image.digest}"


def releases(asked: Asked) -> tuple[Release, ...]:
    """The records of the ledger beside images.toml. Raises ToolError, UsageError."""
    return ledger.read_file(ledger.file_beside(asked.file, allow_outside=asked.allow_outside))


def places(records: Iterable[Release], action: Action = Action.PUBLISH) -> tuple[Place, ...]:
    """All places of all images that were published, or copied, the oldest record first."""
    found = []
    for record in records:
        for image in record.images if record.action is action else ():
            for uri in image.locations:
                host = ECR_HOST.fullmatch(uri.partition("/")[0].partition(":")[0])
                account, region = (host["account"], host["region"]) if host else (None, None)
                found.append(Place(image, record.id, uri, account, region))
    return tuple(found)


def purposes(image: Image) -> tuple[str, ...]:
    return BOTH if image.purpose == "both" else (image.purpose,)
