"""All checks, found in the modules of this package, in the order in which they run."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from buildkit import contract
from buildkit.contract.checks import Check

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ORDER = (
    "image.basics",
    "jobs.training",
    "jobs.stopped",
    "jobs.diagnosis",
    "jobs.configuration",
    "jobs.edge_cases",
    "jobs.metrics",
    "jobs.pipes",
    "jobs.repeated",
    "jobs.checkpoints",
    "isolation",
    "jobs.monitor",
    "jobs.two_hosts",
    "jobs.processing",
    "scripts.script_mode",
    "scripts.sdk",
    "scripts.remote",
    "scripts.hyperpod",
    "endpoints.batch",
    "hosting.serving",
    "scripts.handlers",
    "image.metadata",
    "image.accelerators",
    "hosting.missing_model",
    "hosting.surroundings",
    "hosting.serverless",
    "hosting.request_rules",
    "hosting.metrics",
    "hosting.kept_alive",
    "hosting.long_bodies",
    "hosting.load",
    "endpoints.multi_model",
    "endpoints.multi_model_isolation",
    "endpoints.pipeline",
    "endpoints.streaming",
    "endpoints.bidirectional",
    "endpoints.sessions",
    "endpoints.adapters",
    "endpoints.asynchronous",
)
"""Modules in the order in which their scenarios are staged; any other module follows, by name.

Where two modules share a scenario, the one whose checks end the server comes last: `batch` before
`serving`, all others before `load`.
"""


@cache
def checks() -> tuple[Check[Any], ...]:
    """Every check of every module of the contract."""
    return tuple(each for module in _modules() for each in checks_of(module))


def checks_of(module: ModuleType) -> tuple[Check[Any], ...]:
    """The checks that a module defines, from its first line to its last."""
    return tuple(
        each
        for each in vars(module).values()
        if isinstance(each, Check) and each.judge.__module__ == module.__name__
    )


def how(clause: str) -> tuple[str, ...]:
    """How a clause is judged: for each check its scenario and what is checked."""
    return tuple(f"{each.scenario.title}: {each.how}" for each in checks() if each.clause == clause)


def _modules() -> Iterator[ModuleType]:
    prefix = f"{contract.__name__}."
    walked = pkgutil.walk_packages(contract.__path__, prefix)
    names = [each.name.removeprefix(prefix) for each in walked if not each.ispkg]
    for name in sorted(names, key=_place):
        yield import_module(f"{prefix}{name}")


def _place(name: str) -> tuple[int, str]:
    return (ORDER.index(name) if name in ORDER else len(ORDER)), name
