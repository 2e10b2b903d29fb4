"""Handlers for LightGBM: a booster in its text format, and `predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
from buildkit_runtime import content
from buildkit_runtime.arrays import input_fn, output_fn
from buildkit_runtime.handlers import only_file

__all__ = ["input_fn", "model_fn", "output_fn", "predict_fn"]


def model_fn(model_dir: str) -> Any:
    """Load `model.txt`, or else the only *.txt file."""
    return lightgbm.Booster(model_file=str(only_file(Path(model_dir), ("model.txt", "*.txt"))))


def predict_fn(data: Any, model: Any) -> Any:
    """The most likely class of each row; with only two classes, the prediction itself."""
    try:
        predicted = model.predict(data)
    except (ValueError, lightgbm.basic.LightGBMError) as error:
        raise content.bad_request(error) from error
    return predicted.argmax(axis=1) if predicted.ndim > 1 else predicted
