"""Handlers for XGBoost: a booster in its own format or pickled, and `predict`."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from werkzeug.exceptions import BadRequest

from buildkit_runtime import arrays, content
from buildkit_runtime.arrays import output_fn
from buildkit_runtime.handlers import HandlerError, only_file

__all__ = ["input_fn", "model_fn", "output_fn", "predict_fn"]

LIBSVM = ("text/libsvm", "text/x-libsvm")
MODELS = ("xgboost-model", "*.ubj", "*.json", "*.pkl")
# What a pickle begins with since protocol 2, of 2003; the formats of XGBoost never do.
_PICKLE = b"\x80"


def model_fn(model_dir: str) -> Any:
    """Load `xgboost-model`, as AWS's own container writes it, else the only *.ubj, *.json, *.pkl.

    What it loads may be a Booster or a model of the scikit-learn kind.
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
            f"{path} is no model of XGBoost: {str(error).splitlines()[0]}"
        ) from error
    return booster


def input_fn(body: content.Body, content_type: str) -> Any:
    """Features from CSV, JSON, JSON Lines or npy; from LIBSVM text, too, less its labels."""
    if content_type not in LIBSVM:
        return xgboost.DMatrix(arrays.input_fn(body, content_type))
    with tempfile.NamedTemporaryFile(suffix=".libsvm") as file:
        file.write(body.encode() if isinstance(body, str) else body)
        file.flush()
        try:
            return xgboost.DMatrix(f"{file.name}?format=libsvm")
        except xgboost.core.XGBoostError as error:
            raise content.bad_request(error, "the body is no LIBSVM text: ") from error


def predict_fn(data: Any, model: Any) -> Any:
    """Predict with the best iteration, if training was stopped early; without feature names."""
    booster = model if isinstance(model, xgboost.Booster) else model.get_booster()
    if data.num_col() > booster.num_features():
        raise BadRequest(
            f"the model has {booster.num_features()} features, the request {data.num_col()}"
        )
    best = booster.attr("best_iteration")
    iterations = (0, 0 if best is None else int(best) + 1)
    return np.asarray(booster.predict(data, iteration_range=iterations, validate_features=False))
