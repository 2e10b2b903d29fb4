"""The common part of all services: every request gets a response, whatever happens."""

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
    """A WSGI application. Each route has a path, its methods, and a function.

    `<name>` in a path becomes the argument of that name. The function may raise HTTPException; any
    other exception becomes a 500.
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
            # SystemExit would end the worker with all of its requests (SERVE-14); other exceptions,
            # such as that of a cancelled task, would leave the client without an answer.
            logger.exception("the request failed")
            summary = f"{type(error).__name__}: {error}"
            response = refusal(InternalServerError(summary))
        return response(environ, start_response)


def refusal(error: HTTPException) -> Response:
    """Status and one short line; tracebacks go to the log (SERVE-13)."""
    lines = (error.description or "").strip().splitlines() or [error.name]
    # A message may quote a request or a prediction, which may not be UTF-8.
    text = lines[0][:_LONGEST_ERROR].encode("utf-8", "backslashreplace")
    allowed = (
        {"Allow": ", ".join(error.valid_methods or ())}
        if isinstance(error, MethodNotAllowed)
        else {}
    )
    return Response(
        text, status=error.code or 500, headers=allowed, content_type="text/plain; charset=utf-8"
    )
