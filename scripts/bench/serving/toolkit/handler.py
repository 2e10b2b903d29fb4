"""What the server looks for: the one class of this module."""

from __future__ import annotations

from sagemaker_inference.default_handler_service import DefaultHandlerService
from sagemaker_inference.transformer import Transformer
from tree import Tree


class HandlerService(DefaultHandlerService):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(transformer=Transformer(default_inference_handler=Tree()))
