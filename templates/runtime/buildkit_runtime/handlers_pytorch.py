"""Handlers for PyTorch: an exported program or TorchScript, on the GPU where there is one."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import torch

from buildkit_runtime import arrays, content
from buildkit_runtime.handlers import only_file

__all__ = ["input_fn", "model_fn", "output_fn", "predict_fn"]

# The first two are the names of AWS's own containers.
MODELS = ("model.pth", "model.pt", "*.pt2", "*.pth", "*.pt")


@cache
def device() -> torch.device:
    """Asked for in a worker only: CUDA does not survive the fork that makes one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def model_fn(model_dir: str) -> Any:
    """Load `model.pth`, else the only *.pt2, *.pth or *.pt file.

    A file of weights says nothing of the network: the user's own model_fn builds it.
    """
    path = only_file(Path(model_dir), MODELS)
    if path.suffix == ".pt2":
        return torch.export.load(path).module()
    return torch.jit.load(path, map_location=device())


def input_fn(body: content.Body, content_type: str) -> Any:
    """A tensor of 32-bit floats, of integers where an npy array holds them; JSON of any shape."""
    array = arrays.numbers(body, content_type)
    return torch.as_tensor(array if array.dtype.kind in "biu" else array.astype("float32"))


def predict_fn(data: Any, model: Any) -> Any:
    """Predict on the GPU if there is one, as for evaluation: a user's model_fn need not say so."""
    if isinstance(model, torch.nn.Module):
        if device().type == "cuda":
            model.to(device())
        if model.training:
            with suppress(NotImplementedError):  # an exported program stays as it was made
                model.eval()
    try:
        with torch.inference_mode():
            return model(data.to(device()))
    except (RuntimeError, AssertionError) as error:
        # That is how networks refuse a wrong shape; the message names both shapes.
        raise content.bad_request(error) from error


def output_fn(prediction: Any, accept: str) -> Any:
    if isinstance(prediction, torch.Tensor):
        prediction = arrays.of_tensor(prediction.detach().cpu().numpy(), accept)
    return arrays.output_fn(prediction, accept)
