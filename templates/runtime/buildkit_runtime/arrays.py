"""Input and output handlers for frameworks that compute with numpy arrays."""

from __future__ import annotations

import io
from enum import Enum
from typing import Any, Callable

import numpy as np
from werkzeug.exceptions import BadRequest, NotAcceptable

from buildkit_runtime import content

# The types that `numbers` reads.
TYPES = (*content.DECODERS, content.NPY)
# Written as numpy does: floats and complex numbers other than of doubles, times and time
# differences, bytes.
_OWN_TEXT = "efgFGmMV"
_ROWS_AND_COLUMNS = 2
_WHOLE = 2.0**53  # the next integer is not a double
_SCALARS = frozenset({int, float, bool, str, bytes, complex, type(None)})
# What `str` does to texts, unless a subclass, such as an enum, has its own way.
_PLAIN = (str.__str__, np.str_.__str__)


def input_fn(body: content.Body, content_type: str) -> Any:
    """Like `numbers`, but an array of objects if there are texts, which pipelines may encode."""
    if content_type == content.NPY or content_type not in content.DECODERS:
        return numbers(body, content_type)
    rows = content.decode(body, content_type, text=True)
    if not content.holds_text(rows):
        return _floats(rows)
    try:
        # Columns of numbers become floats, whatever the other columns are.
        return np.frompyfunc(_as_float, 1, 1)(np.asarray(rows, dtype=object))
    except OverflowError as error:
        raise content.bad_request(error) from error


def numbers(body: content.Body, content_type: str, *, delimiters: str = content.DELIMITERS) -> Any:
    """An array of floats from CSV, JSON or JSON Lines, with one row or more; from npy, any numbers.

    Numbers in JSON may be quoted, as in AWS's decoders.
    """
    if content_type != content.NPY or isinstance(body, str):
        if content_type not in content.DECODERS:
            raise content.unsupported(content_type, TYPES)
        texts = content_type != content.CSV
        rows = content.decode(body, content_type, text=texts, delimiters=delimiters)
        return _floats(rows)
    try:
        # No pickles: a request must not run code.
        array = np.load(io.BytesIO(body), allow_pickle=False)
    except Exception as error:
        # Of any type: numpy parses a header as Python, which fails in many ways. Its own errors and
        # those of short bodies are sentences.
        reason = f": {error}" if type(error) in (ValueError, EOFError) else ""
        raise BadRequest(f"the body is not an npy array{reason}") from error
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
    """JSON of the prediction itself, as AWS's encoder writes it; CSV and npy of it as an array."""
    if accept == content.NPY:
        return _npy(prediction)
    if accept not in content.ENCODERS:
        raise content.unacceptable(accept, (*content.ENCODERS, content.NPY))
    return content.encode(_rows(prediction) if accept == content.CSV else prediction, accept)


def of_tensor(array: Any, accept: str) -> Any:
    """The array of a tensor. In CSV, its numbers are doubles, as in AWS's containers."""
    return array.astype(float) if accept == content.CSV and array.dtype.kind == "f" else array


def _npy(prediction: Any) -> bytes:
    buffer = io.BytesIO()
    try:
        types = _types(prediction)
        if np.ma.MaskedArray in types:
            raise NotAcceptable("npy cannot hold this prediction: some values are masked")
        array = np.asarray(prediction)
        _check_texts(types, array.dtype.kind)
        # No pickles: reading an answer must not run code.
        np.save(buffer, array, allow_pickle=False)
    except (ValueError, RecursionError) as error:
        raise NotAcceptable(f"npy cannot hold this prediction: {error}") from error
    return buffer.getvalue()


def _check_texts(types: set[type], kind: str) -> None:
    """Raises NotAcceptable if numpy made texts of other values, or other values of texts."""
    changed = _changed_texts(types)
    if changed:
        raise NotAcceptable(f"npy cannot hold this prediction: numpy changes a {changed[0]}")
    if kind in "US" and set(map(_text_kind, types)) != {kind}:
        raise NotAcceptable("npy cannot hold this prediction: it mixes texts with other values")


def _changed_texts(types: set[type]) -> list[str]:
    """The names of those types of texts of which numpy makes other values, such as enums."""
    texts = (each for each in types if issubclass(each, (str, bytes)))
    return sorted(each.__name__ for each in texts if not _text_kind(each))


def _text_kind(kind: type) -> str:
    """Numpy's letter for a type of texts that it keeps; empty for other types."""
    if kind in (bytes, np.bytes_):
        return "S"
    return "U" if issubclass(kind, str) and kind.__str__ in _PLAIN else ""


def _rows(prediction: Any) -> Any:
    """An array for CSV, whose columns have one type; unchanged if it cannot be an array."""
    try:
        types = _types(prediction)
        if np.ma.MaskedArray in types:
            return prediction
        array = np.asarray(prediction)
    except (ValueError, TypeError, RuntimeError):
        # Lists of unequal lengths, tensors on a GPU, tensors with gradients.
        return prediction
    if _is_changed(prediction, array, types):
        return prediction
    write = _writing(array)
    if write is None:
        return array.tolist()
    # As fast as for numbers.
    if array.ndim < _ROWS_AND_COLUMNS:
        return [write(x) for x in array.reshape(-1)]
    return [[write(each) for each in x] for x in array]


def _writing(array: Any) -> Callable[[Any], Any] | None:
    """Writes 0.91, not the digits of the nearest double, as AWS does. None if Python does too."""
    if array.ndim > _ROWS_AND_COLUMNS or array.dtype.names:
        return None
    if array.dtype.kind == "O":
        return _as_written if array.ndim else None
    return str if array.dtype.char in _OWN_TEXT else None


def _as_written(value: Any) -> Any:
    own = isinstance(value, np.generic) and value.dtype.char in _OWN_TEXT
    return str(value) if own and not value.dtype.names else value


def _is_changed(prediction: Any, array: Any, types: set[type]) -> bool:
    """Whether numpy changed values of a list: large integers, members of enums, bytes."""
    # Before Python 3.11, numpy writes members of enums of numbers by their names beside texts.
    named = array.dtype.kind == "U" and any(issubclass(each, Enum) for each in types)
    if named or _changed_texts(types):
        return True
    if not isinstance(prediction, (list, tuple)):
        return False
    if array.dtype.char != "d" or not (np.abs(array) >= _WHOLE).any():
        return False
    given = np.asarray(prediction, dtype=object).ravel()
    whole = (int, np.integer)
    return any(
        isinstance(each, whole) and int(each) != made
        for each, made in zip(given, array.ravel().tolist())
    )


def _types(value: Any) -> set[type]:
    """The types of the values in lists and arrays; MaskedArray if a value is masked."""
    if isinstance(value, (list, tuple)):
        types = set(map(type, value))
        if types <= _SCALARS or all(issubclass(each, np.generic) for each in types - _SCALARS):
            return types
        return set().union(*map(_types, value))
    if isinstance(value, np.ma.MaskedArray) and (value.dtype.names or np.ma.is_masked(value)):
        return {np.ma.MaskedArray}
    if hasattr(value, "__array__"):
        return {np.asarray(value).dtype.type}
    return {type(value)}
