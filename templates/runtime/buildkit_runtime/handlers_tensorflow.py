"""Handlers for TensorFlow: SavedModels behind the contract of AWS's TensorFlow Serving container.

A script, `code/inference.py`, may define `input_handler` and `output_handler`, or `handler`; or
`model_fn` and the others, as for other frameworks.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from buildkit_runtime import arrays, handlers, rest, servables
from buildkit_runtime.content import parse_content_type
from buildkit_runtime.handlers import Answer, HandlerError, Handlers, to_answer
from buildkit_runtime.loopback import Loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit_runtime.invocation import Invocation
    from buildkit_runtime.rest import Wanted
    from buildkit_runtime.servables import Servables

_JSON = "application/json"


class Context(NamedTuple):
    """A request as scripts see it, with the names of AWS's container. There is no gRPC."""

    model_name: str
    model_version: str
    method: str
    rest_uri: str
    grpc_port: None
    channel: None
    custom_attributes: str
    request_content_type: str
    accept_header: str
    content_length: int


class Reply:
    """An answer of the REST API, with the attributes of `requests.Response` that scripts use."""

    def __init__(self, document: Mapping[str, Any], status_code: int) -> None:
        self.content = json.dumps(document).encode()
        self.status_code = status_code
        self.ok = status_code < 400  # noqa: PLR2004
        self.headers = {"Content-Type": _JSON}

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return json.loads(self.content)


class Model(NamedTuple):
    servables: Servables
    loopback: Loopback


def combine(own: Mapping[str, Any]) -> Handlers:
    """Raises HandlerError if a script has only one of the two handlers."""
    if "handler" in own:
        return Handlers(model_fn, _with_handler(own["handler"]), by_record=False)
    names = {"input_handler", "output_handler"} & own.keys()
    if len(names) == 1:
        raise HandlerError(
            f"only {names.pop()} is defined: define input_handler and output_handler, or handler"
        )
    if names:
        both = _with_both(own["input_handler"], own["output_handler"])
        return Handlers(model_fn, both, by_record=False)
    if not own:
        return Handlers(model_fn, _plain, by_record=False)
    defaults = {
        "model_fn": model_fn,
        "input_fn": arrays.numbers,
        "predict_fn": predict_fn,
        "output_fn": arrays.output_fn,
    }
    return handlers.combine(defaults, own)


def model_fn(model_dir: str) -> Model:
    default = os.environ.get("SAGEMAKER_TFS_DEFAULT_MODEL_NAME", "")
    loaded = servables.load(Path(model_dir), default)
    return Model(loaded, Loopback(loaded.answer))


def predict_fn(data: Any, model: Model) -> Any:
    """One prediction for each row of an array."""
    return model.servables.answer(rest.Wanted(), {"instances": data.tolist()})["predictions"]


def _plain(model: Model, request: Invocation) -> Answer:
    content_type, _ = parse_content_type(request.content_type or _JSON)
    wanted = rest.of_attributes(request.custom_attributes)
    reply = _reply(model, wanted, request.data, content_type)
    lines = "application/jsonlines"
    first = (request.accept or "").split(",")[0].partition(";")[0].strip()
    return Answer(reply.content, lines if first == lines else _JSON, reply.status_code)


def _reply(model: Model, wanted: Wanted, data: bytes, content_type: str) -> Reply:
    return Reply(*rest.answer(model.servables.answer, wanted, data, content_type))


def _with_handler(handler: Callable[..., Any]) -> Callable[[Model, Invocation], Answer]:
    def answer(model: Model, request: Invocation) -> Answer:
        wanted = rest.of_attributes(request.custom_attributes)
        uri = model.loopback.url(_named(wanted, model))
        context = _context(request, wanted, uri)
        return to_answer(handler(io.BytesIO(request.data), context), context.accept_header)

    return answer


def _with_both(
    input_handler: Callable[..., Any], output_handler: Callable[..., Any]
) -> Callable[[Model, Invocation], Answer]:
    def answer(model: Model, request: Invocation) -> Answer:
        wanted = rest.of_attributes(request.custom_attributes)
        context = _context(request, wanted, _named(wanted, model).path)
        prepared = input_handler(io.BytesIO(request.data), context)
        if not isinstance(prepared, (str, bytes)):
            given = type(prepared).__name__
            raise HandlerError(f"input_handler must return the text of a JSON object, not {given}")
        data = prepared.encode() if isinstance(prepared, str) else prepared
        reply = _reply(model, wanted, data, _JSON)
        return to_answer(output_handler(reply, context), context.accept_header)

    return answer


def _named(wanted: Wanted, model: Model) -> Wanted:
    name = wanted.model or model.servables.default
    return rest.Wanted(name, wanted.version, wanted.method)


def _context(request: Invocation, wanted: Wanted, rest_uri: str) -> Context:
    return Context(
        model_name=wanted.model,
        model_version=wanted.version,
        method=wanted.method,
        rest_uri=rest_uri,
        grpc_port=None,
        channel=None,
        custom_attributes=request.custom_attributes,
        request_content_type=request.content_type or _JSON,
        accept_header=request.accept or _JSON,
        content_length=len(request.data),
    )
