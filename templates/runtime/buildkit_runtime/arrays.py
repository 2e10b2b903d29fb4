"""Input and output handlers for frameworks that compute with numpy arrays."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from werkzeug.exceptions import BadRequest, NotAcceptable

from buildkit_runtime import content


def input_fn(body: content.Body, content_type: str) -> Any:
    """Array of floats from CSV, JSON or JSON Lines, a row or more; any numeric array from npy."""
    if content_type != content.NPY or isinstance(body, str):
        if content_type not in content.DECODERS:
            raise content.unsupported(content_type, {**content.DECODERS, content.NPY: None})
        return np.asarray(content.decode(body, content_type), dtype=float)
    try:
        # Never pickles: a request must not be able to run code.
        array = np.load(io.BytesIO(body), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise BadRequest(f"the body is not an npy array: {error}") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf" or array.size == 0:
        raise BadRequest("the body is not an npy array of numbers")
    return array.reshape(1, -1) if array.ndim == 1 else array


def output_fn(prediction: Any, accept: str) -> Any:
    """JSON of the prediction itself, as AWS's encoder answers; CSV and npy of it as an array."""
    if accept == content.NPY:
        return _npy(prediction)
    if accept not in content.ENCODERS:
        raise content.unacceptable(accept, {**content.ENCODERS, content.NPY: None})
    return content.encode(_rows(prediction) if accept == content.CSV else prediction, accept)


def _npy(prediction: Any) -> bytes:
    buffer = io.BytesIO()
    try:
        # Never pickles: no client should have to run what it reads.
        np.save(buffer, np.asarray(prediction), allow_pickle=False)
    except ValueError as error:
        raise NotAcceptable(f"npy cannot hold this prediction: {error}") from error
    return buffer.getvalue()


def _rows(prediction: Any) -> Any:
    """Numbers of one column are of one type in CSV; what is no array stays as it is."""
    try:
        return np.asarray(prediction).tolist()
    except (ValueError, TypeError, RuntimeError):
        # Lists of unequal lengths, tensors on a GPU, tensors with gradients.
        return prediction
