"""Whose AWS credentials are used, or why they cannot be: for `buildkit doctor`.

Each request is sent once, with short limits of time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildkit.ecr import api, failures
from buildkit.support import clocks
from buildkit.support.errors import ToolError

if TYPE_CHECKING:
    from buildkit.ecr.failures import Trouble
    from buildkit.ecr.places import Place


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The account and the ARN of the caller; else the `trouble`, `why` and a `hint`.

    `ahead` is how many seconds AWS's clock is ahead of this machine's.
    """

    profile: str | None = None
    arn: str = ""
    account: str = ""
    trouble: Trouble | None = None
    why: str = ""
    hint: str = ""
    ahead: float | None = None

    @property
    def partition(self) -> str:
        return self.arn.split(":")[1] if self.arn else "aws"


def look(where: Place) -> Identity:
    """Ask AWS STS for the identity of the credentials that would be used for a registry."""
    doing = "asking AWS for the identity of the credentials"
    try:
        client = api.quick(where, "sts")
        with failures.translated(doing, where.profile):
            answer: Any = client.get_caller_identity()
            arn, account = str(answer["Arn"]), str(answer["Account"])
    except ToolError as error:
        return Identity(
            profile=where.profile,
            trouble=failures.trouble(error),
            why=error.message,
            hint=error.hint or "",
        )
    headers = answer["ResponseMetadata"].get("HTTPHeaders", {})
    ahead = clocks.ahead(headers.get("date", ""))
    return Identity(profile=where.profile, arn=arn, account=account, ahead=ahead)
