"""All checks there are, in the order in which the scenarios are staged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildkit.contract import isolation
from buildkit.contract.endpoints import (
    asynchronous,
    batch,
    bidirectional,
    model_care,
    multi_model,
    pipeline,
    sessions,
    streaming,
)
from buildkit.contract.hosting import conditions, load, manners, serverless, serving, spoilt
from buildkit.contract.jobs import (
    again,
    checkpoints,
    diagnosis,
    edges,
    metrics,
    monitor,
    nodes,
    pipes,
    processing,
    stopped,
    training,
    variants,
)
from buildkit.contract.scripts import handlers, script, sdk
from buildkit.contract.still import devices, image, static

if TYPE_CHECKING:
    from buildkit.contract.clause import Check

CHECKS: tuple[Check[Any], ...] = (
    *image.CHECKS,
    *training.CHECKS,
    *stopped.CHECKS,
    *diagnosis.CHECKS,
    *variants.CHECKS,
    *edges.CHECKS,
    *metrics.CHECKS,
    *pipes.CHECKS,
    *again.CHECKS,
    *checkpoints.CHECKS,
    *isolation.CHECKS,
    *monitor.CHECKS,
    *nodes.CHECKS,
    *processing.CHECKS,
    *script.CHECKS,
    *sdk.CHECKS,
    *batch.CHECKS,
    *serving.CHECKS,
    *handlers.CHECKS,
    *static.CHECKS,
    *devices.CHECKS,
    *spoilt.CHECKS,
    *conditions.CHECKS,
    *serverless.CHECKS,
    *manners.CHECKS,
    *load.CHECKS,
    *multi_model.CHECKS,
    *model_care.CHECKS,
    *pipeline.CHECKS,
    *streaming.CHECKS,
    *bidirectional.CHECKS,
    *sessions.CHECKS,
    *asynchronous.CHECKS,
)


def how(clause: str) -> tuple[str, ...]:
    """How a clause is judged: for each check the scenario and what is looked at."""
    return tuple(f"{each.scenario.title}: {each.how}" for each in CHECKS if each.clause == clause)
