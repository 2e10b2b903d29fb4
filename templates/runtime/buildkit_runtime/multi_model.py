"""The application of a multi-model endpoint: /models loads, lists and unloads (MME-02..06)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import BadRequest, Conflict, HTTPException, MethodNotAllowed, NotFound
from werkzeug.wrappers import Request, Response

from buildkit_runtime import content
from buildkit_runtime.invocation import Invocation
from buildkit_runtime.shelf import AlreadyLoadedError, FullError, NotLoadedError
from buildkit_runtime.wsgi import Application

if TYPE_CHECKING:
    from buildkit_runtime.shelf import Shelf

_PAGE = 100


class InsufficientStorage(HTTPException):
    """The service then unloads other models and asks again (MME-02)."""

    code = 507
    description = "not enough memory"


class MultiModelService(Application):
    """Healthy from the start: there may be no model yet (MME-01)."""

    def __init__(self, shelf: Shelf, default_accept: str = "") -> None:
        self._shelf = shelf
        self._default_accept = default_accept

    def route(self, request: Request) -> Response:
        where = request.path.split("/")[1:]
        try:
            if where == ["ping"]:
                return Response(status=200)
            if where == ["models"]:
                return {"GET": self._list, "POST": self._load}[request.method](request)
            if len(where) == 2 and where[0] == "models":  # noqa: PLR2004
                return {"GET": self._describe, "DELETE": self._unload}[request.method](where[1])
            if len(where) == 3 and where[0] == "models" and where[2] == "invoke":  # noqa: PLR2004
                return {"POST": self._invoke}[request.method](request, where[1])
        except KeyError as error:
            raise MethodNotAllowed(
                description=f"{error.args[0]} is no method of this path"
            ) from error
        except AlreadyLoadedError as error:
            raise Conflict(f"model {error} is loaded") from error
        except NotLoadedError as error:
            raise NotFound(f"model {error} is not loaded") from error
        except FullError as error:
            raise InsufficientStorage(str(error)) from error
        raise NotFound("no such path")

    def _list(self, request: Request) -> Response:
        models = [_facts(*each) for each in self._shelf.names()]
        start = request.args.get("next_page_token", "0")
        if not start.isdecimal():
            raise BadRequest(f"next_page_token is {start!r}, and none of ours")
        end = int(start) + _PAGE
        more = {"nextPageToken": str(end)} if end < len(models) else {}
        return _json({"models": models[int(start) : end], **more})

    def _load(self, request: Request) -> Response:
        wanted = request.get_json(force=True, silent=True)
        if not isinstance(wanted, dict) or not all(
            isinstance(wanted.get(key), str) and wanted[key] for key in ("model_name", "url")
        ):
            raise BadRequest("the body is no JSON object with model_name and url")
        self._shelf.load(wanted["model_name"], wanted["url"])
        return _json(_facts(wanted["model_name"], wanted["url"]))

    def _describe(self, name: str) -> Response:
        return _json(_facts(name, self._shelf.url(name)))

    def _unload(self, name: str) -> Response:
        self._shelf.unload(name)
        return _json({"modelName": name})

    def _invoke(self, request: Request, name: str) -> Response:
        found = self._shelf.invoke(name, Invocation.of(request, self._default_accept))
        return Response(found.body, content_type=found.content_type)


def _facts(name: str, url: str) -> dict[str, str]:
    return {"modelName": name, "modelUrl": url}


def _json(document: dict[str, Any]) -> Response:
    return Response(json.dumps(document), content_type=content.JSON)
