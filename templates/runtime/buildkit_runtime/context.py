"""The context that AWS's servers pass to functions of a script that take one (ITK-04)."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable

from buildkit_runtime import hardware

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit_runtime.invocation import Invocation

_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class Context:
    """Has the names of TorchServe and Multi Model Server. A request is a batch of one."""

    system_properties: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    def get_request_header(self, _index: int, name: str) -> str | None:
        return self.headers.get(name.lower())

    def get_all_request_header(self, _index: int) -> Mapping[str, str]:
        return self.headers


def of_model(model_dir: str) -> Context:
    """All workers use the first GPU, if there is one."""
    gpu = 0 if hardware.has_gpu() else None
    return Context({"model_dir": model_dir, "gpu_id": gpu, "batch_size": 1})


def of_request(model: Context, request: Invocation) -> Context:
    headers = {
        "content-type": request.content_type,
        "accept": request.accept,
        "x-amzn-sagemaker-custom-attributes": request.custom_attributes,
    }
    given = {name: value for name, value in headers.items() if value}
    return Context(model.system_properties, given)


def offered(function: Callable[..., Any], arguments: int) -> Callable[..., Any]:
    """The function with a context after its `arguments`, which is left out if it takes none."""
    parameters = inspect.signature(function).parameters.values()
    if sum(each.kind in _BY_POSITION for each in parameters) > arguments:
        return function
    return lambda *given: function(*given[:arguments])
