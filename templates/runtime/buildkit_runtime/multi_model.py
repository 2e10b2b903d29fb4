"""The application of a multi-model endpoint: /models loads, lists and unloads (MME-02..06)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Request, Response

from buildkit_runtime import content
from buildkit_runtime.invocation import Invocation
from buildkit_runtime.wsgi import Application

if TYPE_CHECKING:
    from buildkit_runtime.metrics import Meter
    from buildkit_runtime.shelf import Shelf

_PAGE = 100


class MultiModelService(Application):
    """Healthy from the start: there may be no model yet (MME-01)."""

    def __init__(self, shelf: Shelf, meter: Meter, default_accept: str = "") -> None:
        super().__init__(
            [
                ("/ping", ("GET", "POST"), self._ping),
                ("/models", ("GET",), self._list),
                ("/models", ("POST",), self._load),
                ("/models/<name>", ("GET",), self._describe),
                ("/models/<name>", ("DELETE",), self._unload),
                ("/models/<name>/invoke", ("POST",), meter.measured(self._invoke)),
                ("/metrics", ("GET",), meter.show),
            ]
        )
        self._shelf = shelf
        self._default_accept = default_accept

    def _ping(self, _request: Request) -> Response:
        return Response(status=200)

    def _list(self, request: Request) -> Response:
        models = [_facts(*each) for each in self._shelf.names()]
        start = request.args.get("next_page_token", "0")
        if not start.isdecimal():
            raise BadRequest(f"unknown next_page_token {start!r}")
        end = int(start) + _PAGE
        more = {"nextPageToken": str(end)} if end < len(models) else {}
        return _json({"models": models[int(start) : end], **more})

    def _load(self, request: Request) -> Response:
        wanted = request.get_json(force=True, silent=True)
        if not isinstance(wanted, dict) or not all(
            isinstance(wanted.get(key), str) and wanted[key] for key in ("model_name", "url")
        ):
            raise BadRequest("the body is not a JSON object with model_name and url")
        self._shelf.load(wanted["model_name"], wanted["url"])
        return _json(_facts(wanted["model_name"], wanted["url"]))

    def _describe(self, _request: Request, name: str) -> Response:
        return _json(_facts(name, self._shelf.url(name)))

    def _unload(self, _request: Request, name: str) -> Response:
        self._shelf.unload(name)
        return _json({"modelName": name})

    def _invoke(self, request: Request, name: str) -> Response:
        found = self._shelf.invoke(name, Invocation.of(request, self._default_accept))
        return Response(found.body, found.status, content_type=found.content_type)


def _facts(name: str, url: str) -> dict[str, str]:
    return {"modelName": name, "modelUrl": url}


def _json(document: dict[str, Any]) -> Response:
    return Response(json.dumps(document), content_type=content.JSON)
