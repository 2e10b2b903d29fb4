"""Handlers for PyTorch: an exported program or TorchScript, on the GPU if there is one."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import torch

from buildkit_runtime import arrays, content
from buildkit_runtime.handlers import only_file

__all__ = ["input_fn", "model_fn", "output_fn", "predict_fn"]

# AWS's containers use the first two names.
MODELS = ("model.pth", "model.pt", "*.pt2", "*.pth", "*.pt")


@cache
def device() -> torch.device:
    """Called only in a worker: CUDA does not survive the fork of the workers."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def model_fn(model_dir: str) -> Any:
    """Load `model.pth`, or else the only *.pt2, *.pth or *.pt file.

    For a file that has only weights, the user's own model_fn builds the network.
    """
    path = only_file(Path(model_dir), MODELS)
    if path.suffix == ".pt2":
        return torch.export.load(path).module()
    return torch.jit.load(path, map_location=device())


def input_fn(body: content.Body, content_type: str) -> Any:
    """A tensor of 32-bit floats, or of integers if an npy array has integers; of any shape."""
    array = arrays.numbers(body, content_type)
    return torch.as_tensor(array if array.dtype.kind in "biu" else array.astype("float32"))


def predict_fn(data: Any, model: Any) -> Any:
    """Predict on the GPU if there is one, in evaluation mode, which model_fn need not set."""
    if isinstance(model, torch.nn.Module):
        if device().type == "cuda":
            model.to(device())
        if model.training:
            with suppress(NotImplementedError):  # an exported program has a fixed mode
                model.eval()
    try:
        with torch.inference_mode():
            return model(data.to(device()))
    except (RuntimeError, AssertionError) as error:
        # Raised for a wrong shape; the message has both shapes.
        raise content.bad_request(error) from error


def output_fn(prediction: Any, accept: str) -> Any:
    if isinstance(prediction, torch.Tensor):
        prediction = arrays.of_tensor(prediction.detach().cpu().numpy(), accept)
    return arrays.output_fn(prediction, accept)
