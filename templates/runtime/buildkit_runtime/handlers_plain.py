"""Handlers for an image without a framework: rows are lists; the user defines the rest."""

from __future__ import annotations

from typing import Any

from buildkit_runtime import content
from buildkit_runtime.handlers import HandlerError


def model_fn(model_dir: str) -> Any:
    raise HandlerError(
        f"this image loads no models by itself: define model_fn in {model_dir}/code/inference.py"
    )


def input_fn(body: content.Body, content_type: str) -> Any:
    return content.decode(body, content_type, text=True)


def predict_fn(_data: Any, _model: Any) -> Any:
    raise HandlerError("this image does not predict by itself: define predict_fn in inference.py")


def output_fn(prediction: Any, accept: str) -> Any:
    return content.encode(prediction, accept)
