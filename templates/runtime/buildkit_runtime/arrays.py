"""Input and output handlers for frameworks that compute with numpy arrays."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from werkzeug.exceptions import BadRequest

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
    """Encode one prediction per record; npy is the array itself."""
    array = np.asarray(prediction)
    if accept == content.NPY:
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        return buffer.getvalue()
    if accept not in content.ENCODERS:
        raise content.unacceptable(accept, {**content.ENCODERS, content.NPY: None})
    return content.encode(np.atleast_1d(array).tolist(), accept)
