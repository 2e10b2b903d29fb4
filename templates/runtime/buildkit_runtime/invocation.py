"""One request to a loaded model: its body, what it wants back, and the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildkit_runtime import content
from buildkit_runtime.handlers import Answer, Handlers, to_answer

if TYPE_CHECKING:
    from werkzeug.wrappers import Request


@dataclass(frozen=True)
class Invocation:
    """A request as it came; it can be sent to another process."""

    data: bytes
    content_type: str | None
    accept: str | None
    default_accept: str = ""

    @classmethod
    def of(cls, request: Request, default_accept: str) -> Invocation:
        return cls(
            data=request.get_data(cache=False),
            content_type=request.headers.get("Content-Type"),
            accept=request.headers.get("Accept"),
            default_accept=default_accept,
        )


def answer(invocation: Invocation, handlers: Handlers, model: Any) -> Answer:
    """Raise HTTPException, or whatever the user's functions raise."""
    content_type, charset = content.parse_content_type(invocation.content_type)
    accept = content.choose_accept(invocation.accept, content_type, invocation.default_accept)
    body = content.to_body(invocation.data, content_type, charset)
    return to_answer(handlers.transform_fn(model, body, content_type, accept), accept)
