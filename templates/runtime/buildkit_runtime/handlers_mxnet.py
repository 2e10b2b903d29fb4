"""Handlers for MXNet: a network as exported by Module and Gluon."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import mxnet
from werkzeug.exceptions import BadRequest

from buildkit_runtime import arrays, content
from buildkit_runtime.handlers import only_file

__all__ = ["input_fn", "model_fn", "output_fn", "predict_fn"]


@cache
def device() -> Any:
    """Called only in a worker: CUDA does not survive the fork of the workers."""
    return mxnet.gpu() if mxnet.context.num_gpus() else mxnet.cpu()


def model_fn(model_dir: str) -> Any:
    """Load `model-symbol.json` and its parameters, or else the only such pair.

    `model-shapes.json` has the names of the inputs; without it, the only input is `data`.
    """
    folder = Path(model_dir)
    symbol = only_file(folder, ("model-symbol.json", "*-symbol.json"))
    parameters = only_file(folder, ("model-0000.params", "*.params"))
    shapes = folder / symbol.name.replace("-symbol", "-shapes")
    inputs = ["data"]
    if shapes.is_file():
        inputs = [each["name"] for each in json.loads(shapes.read_text())]
    return mxnet.gluon.SymbolBlock.imports(str(symbol), inputs, str(parameters), ctx=device())


def input_fn(body: content.Body, content_type: str) -> Any:
    array = arrays.numbers(body, content_type)
    return mxnet.nd.array(array, ctx=device(), dtype="float32" if array.dtype.kind == "f" else None)


def predict_fn(data: Any, model: Any) -> Any:
    try:
        # MXNet computes lazily: `asnumpy` raises the error of a wrong shape.
        return model(data).asnumpy()
    except (ValueError, mxnet.base.MXNetError) as error:
        raise BadRequest(str(error).strip().splitlines()[-1]) from error


def output_fn(prediction: Any, accept: str) -> Any:
    if isinstance(prediction, mxnet.nd.NDArray):
        prediction = arrays.of_tensor(prediction.asnumpy(), accept)
    return arrays.output_fn(prediction, accept)
