"""Handlers for Chainer. Its files hold weights only: the user's `model_fn` builds the network."""

from __future__ import annotations

from typing import Any

import chainer

from buildkit_runtime import arrays, content
from buildkit_runtime.handlers_plain import model_fn

__all__ = ["input_fn", "model_fn", "output_fn", "predict_fn"]


def input_fn(body: content.Body, content_type: str) -> Any:
    """An array of 32-bit floats, or of integers if an npy array has integers."""
    array = arrays.numbers(body, content_type)
    return array if array.dtype.kind in "biu" else array.astype("float32")


def predict_fn(data: Any, model: Any) -> Any:
    try:
        with chainer.using_config("train", False), chainer.no_backprop_mode():  # noqa: FBT003
            return model(data)
    except chainer.utils.type_check.InvalidType as error:
        raise content.bad_request(error) from error


def output_fn(prediction: Any, accept: str) -> Any:
    if isinstance(prediction, chainer.Variable):
        prediction = chainer.backends.cuda.to_cpu(prediction.array)
    return arrays.output_fn(prediction, accept)
