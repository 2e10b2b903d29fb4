"""Input and output handlers for frameworks that compute with numpy arrays."""

from __future__ import annotations

import io
from typing import Any
from zipfile import BadZipFile

import numpy as np
from werkzeug.exceptions import BadRequest, NotAcceptable

from buildkit_runtime import content

_NARROW = "ef"  # floats of 16 and 32 bits
_ROWS_AND_COLUMNS = 2


def input_fn(body: content.Body, content_type: str) -> Any:
    """As `numbers`; of objects where there are texts: pipelines of scikit-learn encode them."""
    if content_type == content.NPY or content_type not in content.DECODERS:
        return numbers(body, content_type)
    rows = content.decode(body, content_type, text=True)
    if not content.holds_text(rows):
        return _floats(rows)
    try:
        # The same whether or not another column is one of texts.
        return np.frompyfunc(_as_float, 1, 1)(np.asarray(rows, dtype=object))
    except OverflowError as error:
        raise content.bad_request(error) from error


def numbers(body: content.Body, content_type: str) -> Any:
    """Array of floats from CSV, JSON or JSON Lines, a row or more; any numeric array from npy.

    Numbers in JSON may be quoted, as AWS's decoders have it.
    """
    if content_type != content.NPY or isinstance(body, str):
        if content_type not in content.DECODERS:
            raise content.unsupported(content_type, {**content.DECODERS, content.NPY: None})
        rows = content.decode(body, content_type, text=content_type != content.CSV)
        return _floats(rows)
    try:
        # Never pickles: a request must not be able to run code.
        array = np.load(io.BytesIO(body), allow_pickle=False)
    except (ValueError, EOFError, OSError, BadZipFile, MemoryError, OverflowError) as error:
        raise BadRequest(f"the body is not an npy array: {error}") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf" or array.size == 0:
        raise BadRequest("the body is not an npy array of numbers")
    return array if array.ndim >= _ROWS_AND_COLUMNS else array.reshape(1, -1)


def _as_float(value: Any) -> Any:
    return value if isinstance(value, str) else float(value)


def _floats(rows: Any) -> Any:
    try:
        return np.asarray(rows, dtype=float)
    except (ValueError, OverflowError) as error:
        raise content.bad_request(error) from error


def output_fn(prediction: Any, accept: str) -> Any:
    """JSON of the prediction itself, as AWS's encoder answers; CSV and npy of it as an array."""
    if accept == content.NPY:
        return _npy(prediction)
    if accept not in content.ENCODERS:
        raise content.unacceptable(accept, {**content.ENCODERS, content.NPY: None})
    return content.encode(_rows(prediction) if accept == content.CSV else prediction, accept)


def of_tensor(array: Any, accept: str) -> Any:
    """The array of a tensor. AWS's containers write its numbers in CSV as doubles."""
    return array.astype(float) if accept == content.CSV and array.dtype.kind == "f" else array


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
        array = np.asarray(prediction)
    except (ValueError, TypeError, RuntimeError):
        # Lists of unequal lengths, tensors on a GPU, tensors with gradients.
        return prediction
    if array.dtype.char in _NARROW and 0 < array.ndim <= _ROWS_AND_COLUMNS:
        # As AWS's encoder: 0.91, not the digits of the double next to it. No slower than those.
        return [str(x) if array.ndim == 1 else [str(each) for each in x] for x in array]
    return array.tolist()
