"""Features that an image may promise beyond `train` and `serve`, and their labels."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Feature(str, Enum):
    """What an image may promise beyond `train` and `serve`. Its clauses are judged only then."""

    ADAPTERS = "adapters"
    ASYNC = "async"
    BATCH = "batch"
    BIDIRECTIONAL_STREAMING = "bidirectional-streaming"
    BIND_TO_PORT = "bind-to-port"
    CHECKPOINTS = "checkpoints"
    CUSTOM_ATTRIBUTES = "custom-attributes"
    EFA = "efa"
    GPU = "gpu"
    HYPERPOD = "hyperpod"
    ISOLATION = "isolation"
    MARKETPLACE = "marketplace"
    MODEL_MONITOR = "model-monitor"
    MPI = "mpi"
    MULTI_MODEL = "multi-model"
    PIPE_MODE = "pipe-mode"
    PROCESSING = "processing"
    REMOTE_FUNCTION = "remote-function"
    SCRIPT_MODE = "script-mode"
    SDK_V3 = "sdk-v3"
    SERVERLESS = "serverless"
    SESSIONS = "sessions"
    STREAMING = "streaming"
    TUNING = "tuning"
    TWO_NODE = "two-node"


OF_TRAINING = frozenset(
    [
        Feature.CHECKPOINTS,
        Feature.HYPERPOD,
        Feature.MPI,
        Feature.PIPE_MODE,
        Feature.REMOTE_FUNCTION,
        Feature.SDK_V3,
        Feature.TUNING,
        Feature.TWO_NODE,
    ]
)
OF_INFERENCE = frozenset(
    [
        Feature.ADAPTERS,
        Feature.ASYNC,
        Feature.BATCH,
        Feature.BIDIRECTIONAL_STREAMING,
        Feature.BIND_TO_PORT,
        Feature.CUSTOM_ATTRIBUTES,
        Feature.MULTI_MODEL,
        Feature.SERVERLESS,
        Feature.SESSIONS,
        Feature.STREAMING,
    ]
)
"""Features of one purpose only. All others go with any purpose."""

FEATURES_LABEL = "buildkit.features"
"""The label with the features that an image promises, separated by commas."""
CAPABILITIES = {
    Feature.BIND_TO_PORT: "com.amazonaws.sagemaker.capabilities.accept-bind-to-port",
    Feature.MULTI_MODEL: "com.amazonaws.sagemaker.capabilities.multi-models",
    Feature.BIDIRECTIONAL_STREAMING: (
        "com.amazonaws.sagemaker.capabilities.bidirectional-streaming"
    ),
}
"""SageMaker's own labels, `true` where the feature is offered (contract IMG-07)."""


def promised(labels: Mapping[str, str]) -> frozenset[Feature]:
    """The features that the labels of an image promise."""
    named = {word.strip() for word in labels.get(FEATURES_LABEL, "").split(",")}
    return frozenset(
        each
        for each in Feature
        if each.value in named or labels.get(CAPABILITIES.get(each, "")) == "true"
    )
