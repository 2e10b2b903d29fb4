"""Handlers for scikit-learn: a joblib or pickle file, and `predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import sklearn.base  # noqa: F401 - for every model, imported before the fork of the workers

from buildkit_runtime import content
from buildkit_runtime.arrays import input_fn, output_fn
from buildkit_runtime.handlers import only_file

__all__ = ["input_fn", "model_fn", "output_fn", "predict_fn"]

MODELS = ("model.joblib", "*.joblib", "*.pkl")


def model_fn(model_dir: str) -> Any:
    """Load `model.joblib`, else the only *.joblib or *.pkl file."""
    return joblib.load(only_file(Path(model_dir), MODELS))


def predict_fn(data: Any, model: Any) -> Any:
    try:
        return model.predict(data)
    except ValueError as error:
        # That is how estimators refuse a wrong number of features, or missing values.
        raise content.bad_request(error) from error
