"""A decision tree on the toolkit's own handlers: CSV in and out through numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sagemaker_inference import content_types, decoder, encoder
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler


class Tree(DefaultInferenceHandler):  # type: ignore[misc]
    def default_model_fn(self, model_dir: str) -> Any:
        return joblib.load(Path(model_dir, "model.joblib"))

    def default_input_fn(self, input_data: Any, content_type: str) -> Any:
        return np.atleast_2d(decoder.decode(input_data, content_type))

    def default_predict_fn(self, data: Any, model: Any) -> Any:
        return model.predict(data)

    def default_output_fn(self, prediction: Any, accept: str) -> Any:
        return encoder.encode(prediction, accept), accept or content_types.CSV
