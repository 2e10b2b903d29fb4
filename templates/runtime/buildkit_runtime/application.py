"""The WSGI application: /ping, /invocations, /metrics and /execution-parameters (SERVE, OBS)."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any, Callable

from werkzeug.exceptions import ServiceUnavailable
from werkzeug.wrappers import Request, Response

from buildkit_runtime import content
from buildkit_runtime.invocation import Invocation
from buildkit_runtime.wsgi import Application

if TYPE_CHECKING:
    from buildkit_runtime.handlers import Handlers
    from buildkit_runtime.metrics import Meter
    from buildkit_runtime.readiness import Readiness

logger = logging.getLogger("buildkit_runtime")

# A replacement worker loads while /ping already answers 200. Clients wait 60 s (SERVE-07).
_PATIENCE_SECONDS = 50.0
# Concurrency times payload is limited to 100 MB (BATCH-03).
_BATCH_PAYLOAD_MB = 6
_BATCH_MOST_CONCURRENT = 16


class Service(Application):
    """The routes of a server with one model, which is loaded in a thread."""

    def __init__(
        self,
        load: Callable[[], tuple[Handlers, Any]],
        *,
        give_up: Callable[[], None],
        readiness: Readiness,
        meter: Meter,
        concurrency: int = 1,
        default_accept: str = "",
    ) -> None:
        super().__init__(
            [
                ("/ping", ("GET", "POST"), self._ping),
                ("/invocations", ("POST",), meter.measured(self._invoke)),
                ("/metrics", ("GET",), meter.show),
                ("/execution-parameters", ("GET",), self._describe),
            ]
        )
        self._load = load
        self._give_up = give_up
        self._readiness = readiness
        self._concurrency = min(concurrency, _BATCH_MOST_CONCURRENT)
        self._default_accept = default_accept
        self._ready = threading.Event()
        self._loaded: tuple[Handlers, Any] | None = None

    def start_loading(self) -> None:
        """Load in the background: /ping already answers 503, which shows a slow load (SERVE-04)."""
        threading.Thread(target=self.load, name="load model", daemon=True).start()

    def load(self) -> None:
        try:
            self._loaded = self._load()
        except BaseException:
            # SystemExit too: a script that exits has not loaded the model.
            logger.exception("the model cannot be loaded")
            self._give_up()
        else:
            # In this order: after the first answer of this worker, /ping is 200.
            self._readiness.add_one()
            self._ready.set()
            logger.info("the model is loaded")

    def _ping(self, _request: Request) -> Response:
        if not self._readiness.complete():
            raise ServiceUnavailable("the model is still loading")
        return Response(status=200)

    def _describe(self, _request: Request) -> Response:
        handlers, _ = self._model()
        parameters = {
            "MaxConcurrentTransforms": self._concurrency,
            "BatchStrategy": "MULTI_RECORD" if handlers.by_record else "SINGLE_RECORD",
            "MaxPayloadInMB": _BATCH_PAYLOAD_MB,
        }
        return Response(json.dumps(parameters), content_type=content.JSON)

    def _invoke(self, request: Request) -> Response:
        wanted = Invocation.of(request, self._default_accept)
        handlers, model = self._model()
        found = handlers.answer(model, wanted)
        return Response(found.body, found.status, content_type=found.content_type)

    def _model(self) -> tuple[Handlers, Any]:
        if not self._ready.wait(_PATIENCE_SECONDS) or self._loaded is None:
            raise ServiceUnavailable("the model is still loading")
        return self._loaded
