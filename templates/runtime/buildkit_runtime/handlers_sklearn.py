"""Handlers for scikit-learn: a joblib or pickle file, and `predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
from werkzeug.exceptions import BadRequest

from buildkit_runtime.arrays import input_fn, output_fn
from buildkit_runtime.handlers import HandlerError

__all__ = ["input_fn", "model_fn", "output_fn", "predict_fn"]


def model_fn(model_dir: str) -> Any:
    """Load `model.joblib`, else the only *.joblib or *.pkl file."""
    return joblib.load(find_model(Path(model_dir)))


def find_model(folder: Path) -> Path:
    preferred = folder / "model.joblib"
    if preferred.is_file():
        return preferred
    found = sorted(path for suffix in ("*.joblib", "*.pkl") for path in folder.glob(suffix))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise HandlerError(
            f"expected `model.joblib`, or one *.joblib or *.pkl file, in {folder}; found {names}"
        )
    return found[0]


def predict_fn(data: Any, model: Any) -> Any:
    try:
        return model.predict(data)
    except ValueError as error:
        # That is how estimators refuse a wrong number of features, or missing values.
        raise BadRequest(str(error).splitlines()[0]) from error
