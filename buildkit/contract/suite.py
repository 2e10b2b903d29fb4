"""All checks there are, in the order in which the scenarios are staged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildkit.contract import isolation
from buildkit.contract.endpoints import (
    asynchronous,
    batch,
    bidirectional,
    multi_model,
    multi_model_isolation,
    pipeline,
    sessions,
    streaming,
)
from buildkit.contract.hosting import (
    load,
    missing_model,
    request_rules,
    serverless,
    serving,
    surroundings,
)
from buildkit.contract.image import accelerators, basics, metadata
from buildkit.contract.jobs import (
    checkpoints,
    configuration,
    diagnosis,
    distributed,
    edge_cases,
    metrics,
    monitor,
    pipes,
    processing,
    repeated,
    stopped,
    training,
)
from buildkit.contract.scripts import handlers, script_mode, sdk

if TYPE_CHECKING:
    from buildkit.contract.checks import Check

CHECKS: tuple[Check[Any], ...] = (
    *basics.CHECKS,
    *training.CHECKS,
    *stopped.CHECKS,
    *diagnosis.CHECKS,
    *configuration.CHECKS,
    *edge_cases.CHECKS,
    *metrics.CHECKS,
    *pipes.CHECKS,
    *repeated.CHECKS,
    *checkpoints.CHECKS,
    *isolation.CHECKS,
    *monitor.CHECKS,
    *distributed.CHECKS,
    *processing.CHECKS,
    *script_mode.CHECKS,
    *sdk.CHECKS,
    *batch.CHECKS,
    *serving.CHECKS,
    *handlers.CHECKS,
    *metadata.CHECKS,
    *accelerators.CHECKS,
    *missing_model.CHECKS,
    *surroundings.CHECKS,
    *serverless.CHECKS,
    *request_rules.CHECKS,
    *load.CHECKS,
    *multi_model.CHECKS,
    *multi_model_isolation.CHECKS,
    *pipeline.CHECKS,
    *streaming.CHECKS,
    *bidirectional.CHECKS,
    *sessions.CHECKS,
    *asynchronous.CHECKS,
)


def how(clause: str) -> tuple[str, ...]:
    """How a clause is judged: for each check the scenario and what is looked at."""
    return tuple(f"{each.scenario.title}: {each.how}" for each in CHECKS if each.clause == clause)
