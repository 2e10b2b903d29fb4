"""What all services here have in common: from a request to a response, whatever happens."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Callable

from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Answer = Callable[..., Response]

logger = logging.getLogger("buildkit_runtime")

# Clients see at most 2048 characters of an error (SERVE-13).
_LONGEST_ERROR = 1000


class Application:
    """A WSGI application. Each route is a path, its methods, and what answers.

    `<name>` in a path is a part of it, given to what answers by that name. What answers may raise
    HTTPException; any other exception becomes a 500.
    """

    def __init__(self, routes: Sequence[tuple[str, Sequence[str], Answer]]) -> None:
        rules = [Rule(path, methods=methods, endpoint=answer) for path, methods, answer in routes]
        self._map = Map(rules, merge_slashes=False)

    def route(self, request: Request) -> Response:
        try:
            answer, parts = self._map.bind("").match(request.path, request.method)
        except NotFound as error:
            raise NotFound("no such path") from error
        found: Response = answer(request, **parts)
        return found

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        request = Request(environ)
        try:
            response = self.route(request)
        except HTTPException as error:
            response = refusal(error)
        except BaseException as error:
            # SystemExit would end the worker and every other request in it (SERVE-14); anything
            # else that gets through, as a cancelled task's error, would leave the client waiting.
            logger.exception("the request failed")
            summary = f"{type(error).__name__}: {error}"
            response = refusal(InternalServerError(summary))
        return response(environ, start_response)


def refusal(error: HTTPException) -> Response:
    """Status and one short line; tracebacks are for the log (SERVE-13)."""
    lines = (error.description or "").strip().splitlines() or [error.name]
    # A message may quote what a client sent, or a model returned, which need not be UTF-8.
    text = lines[0][:_LONGEST_ERROR].encode("utf-8", "backslashreplace")
    allowed = (
        {"Allow": ", ".join(error.valid_methods or ())}
        if isinstance(error, MethodNotAllowed)
        else {}
    )
    return Response(
        text, status=error.code or 500, headers=allowed, content_type="text/plain; charset=utf-8"
    )
