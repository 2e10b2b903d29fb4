"""Handlers for XGBoost: a booster in its own format or pickled, and `predict`."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from scipy.sparse import csr_matrix
from werkzeug.exceptions import BadRequest

from buildkit_runtime import arrays, content, libsvm, recordio
from buildkit_runtime.arrays import output_fn
from buildkit_runtime.handlers import HandlerError, only_file

__all__ = ["input_fn", "model_fn", "output_fn", "predict_fn"]

LIBSVM = ("text/libsvm", "text/x-libsvm")
MODELS = ("xgboost-model", "*.ubj", "*.json", "*.pkl")
# As in AWS's container, which guesses the delimiter. Here nothing else can be between numbers.
DELIMITERS = content.DELIMITERS + "|: "
_ROWS_AND_COLUMNS = 2
# The first byte of a pickle since protocol 2 of 2003; no format of XGBoost begins with it.
_PICKLE = b"\x80"


def model_fn(model_dir: str) -> Any:
    """Load `xgboost-model`, the name in AWS's own container, or else the only *.ubj, *.json, *.pkl.

    The model may be a Booster or one of XGBoost's scikit-learn classes.
    """
    path = only_file(Path(model_dir), MODELS)
    with path.open("rb") as file:
        if file.read(1) == _PICKLE:
            file.seek(0)
            return pickle.load(file)  # noqa: S301 - the model is the user's own program
    booster = xgboost.Booster()
    try:
        booster.load_model(path)
    except xgboost.core.XGBoostError as error:
        raise HandlerError(
            f"{path} is not an XGBoost model: {str(error).splitlines()[0]}"
        ) from error
    return booster


class Rows(xgboost.DMatrix):  # type: ignore[misc]
    """Rows in a format that has every feature: an absent one is an error."""


def input_fn(body: content.Body, content_type: str) -> Any:
    """Features from CSV, JSON, JSON Lines or npy; or from LIBSVM or RecordIO, without labels."""
    if content_type in LIBSVM:
        return _sparse(libsvm.read(content.to_text(body)))
    if content_type == recordio.TYPE and isinstance(body, bytes):
        return _of_records(recordio.read(body))
    if content_type not in arrays.TYPES:
        raise content.unsupported(content_type, (*arrays.TYPES, *LIBSVM, recordio.TYPE))
    array = arrays.numbers(body, content_type, delimiters=DELIMITERS)
    if array.ndim != _ROWS_AND_COLUMNS:
        raise BadRequest("the rows hold lists; XGBoost reads rows of numbers")
    return _dense(array)


def _of_records(records: list[recordio.Features]) -> Any:
    if any(each.is_sparse for each in records):
        return _sparse([each.row for each in records], max(each.width for each in records))
    return _dense(np.asarray(content.check_rows([each.values for each in records])))


def _dense(array: Any) -> Any:
    _check_size(array)
    return Rows(array)


def _sparse(rows: list[libsvm.Row], width: int = 0) -> Any:
    starts = np.cumsum([0, *map(len, rows)])
    found = [each for row in rows for each in row]
    columns, values = zip(*found) if found else ((), ())
    _check_size(values)
    shape = (len(rows), max(width, max(columns, default=0) + 1))
    return xgboost.DMatrix(csr_matrix((values, columns, starts), shape=shape, dtype=float))


def _check_size(values: Any) -> None:
    """XGBoost computes with floats of 32 bits, and refuses infinity."""
    with np.errstate(over="ignore"):
        if np.isinf(np.asarray(values, dtype="float32")).any():
            raise BadRequest("XGBoost reads neither infinity nor numbers beyond 32-bit floats")


def predict_fn(data: Any, model: Any) -> Any:
    """Predict with the best iteration if training stopped early; ignores feature names."""
    booster = model if isinstance(model, xgboost.Booster) else model.get_booster()
    if data.num_col() == booster.num_features() + 1 and data.get_data()[:, 0].nnz == 0:
        # LIBSVM counts columns from 1, the training data counted from 0.
        data = xgboost.DMatrix(data.get_data()[:, 1:])
    lacks = isinstance(data, Rows) and data.num_col() < booster.num_features()
    if lacks or data.num_col() > booster.num_features():
        raise BadRequest(
            f"the model has {booster.num_features()} features, the request {data.num_col()}"
        )
    best = booster.attr("best_iteration")
    iterations = (0, 0 if best is None else int(best) + 1)
    return np.asarray(booster.predict(data, iteration_range=iterations, validate_features=False))
