"""One request for a prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from werkzeug.wrappers import Request


@dataclass(frozen=True)
class Invocation:
    """What handlers see of a request. Can be sent to another process."""

    data: bytes
    content_type: str | None
    accept: str | None
    default_accept: str = ""
    custom_attributes: str = ""

    @classmethod
    def of(cls, request: Request, default_accept: str) -> Invocation:
        return cls(
            data=request.get_data(cache=False),
            content_type=request.headers.get("Content-Type"),
            accept=request.headers.get("Accept"),
            default_accept=default_accept,
            custom_attributes=request.headers.get("X-Amzn-SageMaker-Custom-Attributes", ""),
        )
