"""TensorFlow Serving's REST API on loopback, for scripts that send requests to it themselves."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from buildkit_runtime import content, rest
from buildkit_runtime.wsgi import Application

if TYPE_CHECKING:
    from werkzeug.serving import BaseWSGIServer

    from buildkit_runtime.rest import Serve, Wanted

_HOST = "127.0.0.1"


class _Quiet(WSGIRequestHandler):
    def log_request(self, *_: Any) -> None:
        pass


class _Api(Application):
    def __init__(self, serve: Serve) -> None:
        super().__init__([("/v1/models/<path:_asked>", ("POST",), self._answer)])
        self._serve = serve

    def _answer(self, request: Request, _asked: str) -> Response:
        wanted = rest.of_path(request.path)
        document, status = rest.answer(self._serve, wanted, request.get_data(), content.JSON)
        return Response(json.dumps(document), status, content_type=content.JSON)


class Loopback:
    """Started by the first call of `url`: most models need no server."""

    def __init__(self, serve: Serve) -> None:
        self._api = _Api(serve)
        self._server: BaseWSGIServer | None = None
        self._lock = threading.Lock()

    def url(self, wanted: Wanted) -> str:
        with self._lock:
            if self._server is None:
                self._server = _bound(self._api)
                threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://{_HOST}:{self._server.port}{wanted.path}"


def _bound(application: Any) -> BaseWSGIServer:
    """On a free port of the range that SageMaker gives to this container (PIPE-03)."""
    low, _, high = os.environ.get("SAGEMAKER_SAFE_PORT_RANGE", "").partition("-")
    ports = range(int(low), int(high) + 1) if low.isdecimal() and high.isdecimal() else range(1)
    for port in ports:
        try:
            return make_server(_HOST, port, application, threaded=True, request_handler=_Quiet)
        except (OSError, SystemExit):
            # werkzeug raises SystemExit for a port that is in use.
            continue
    raise OSError(f"no port of SAGEMAKER_SAFE_PORT_RANGE={low}-{high} is free")
