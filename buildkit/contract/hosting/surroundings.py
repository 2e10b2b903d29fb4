"""Clauses of hosting on the model folder and the environment, each with its own server."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful, Unseen, check
from buildkit.contract.hosting import starting
from buildkit.contract.hosting.reference_server import Plain, copied_model, fault, plain, tried
from buildkit.contract.hosting.starting import MODEL, SERVE
from buildkit.contract.scenario import observation
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from buildkit.contract.scenario import Bench

READ_ONLY = re.compile(r"read-only file ?system", re.IGNORECASE)
LONGEST_VALUE = 1024
ODD_ENVIRONMENT = {
    "SAGEMAKER_PROGRAM": "",
    "SAGEMAKER_SUBMIT_DIRECTORY": "",
    "SAGEMAKER_CONTAINER_LOG_LEVEL": "20",
    "SAGEMAKER_REGION": "mars-central-1",
    "SAGEMAKER_JOB_NAME": "",
    "BUILDKIT_ODD": "odd 'value' \"of\" $HOME; \\ ü",
    **{f"BUILDKIT_LONG_{number}": "x" * LONGEST_VALUE for number in range(28)},
    **{f"BUILDKIT_{number}": str(number) for number in range(66)},
}
"""The variables that the SDK sets for a model without a script, and others: 100 variables of up to
1024 characters, at most 32 KB in all, as the API allows."""

WRITABLE_SECONDS = 60
"""Time for a server that failed with the model read-only to be healthy with a writable one."""


@dataclass(frozen=True, kw_only=True)
class Writable:
    """The plain server and, if it does not work, whether one with a writable model does."""

    plain: Plain
    works_writable: bool


@observation("`serve` with the model read-only; if that fails, writable", Purpose.INFERENCE)
def writable(bench: Bench) -> Writable:
    """Test a writable model only if the plain server fails with a read-only one."""
    seen = plain(bench)
    works_writable = False
    if seen.fault and starting.has_model(bench):
        with starting.served(
            bench, choose=copied_model, writable=True, seconds=WRITABLE_SECONDS
        ) as serving:
            works_writable = not fault(serving)
    if works_writable:  # the machine may have been slow before
        with starting.served(bench) as serving:
            seen = replace(seen, fault=fault(serving))
    return Writable(plain=seen, works_writable=works_writable)


@observation("`serve` without /opt/ml/model", Purpose.INFERENCE)
def bare(bench: Bench) -> str:
    starting.healthy(bench)
    if starting.model(bench) is not None:
        raise Unseen("the image is served with a model")
    return tried(bench, lambda seconds: starting.started(bench, SERVE, seconds=seconds))


@observation("`serve` with unusual variables", Purpose.INFERENCE)
def odd(bench: Bench) -> str:
    start = replace(SERVE, environment=ODD_ENVIRONMENT)
    return tried(bench, lambda seconds: starting.served(bench, start=start, seconds=seconds))


@check("SERVE-16", bare, decides=True)
def works_without_folder(fault: str) -> None:
    """An image that needs no model is healthy without the folder, and answers each sample."""
    if fault:
        raise Broken(f"without a folder /opt/ml/model {fault}")


@check("SERVE-17", writable)
def read_only_is_enough(seen: Writable) -> None:
    """A server that works with a writable model also works with a read-only one."""
    if seen.plain.fault:
        if not seen.works_writable:
            raise Unseen("the server does not work with a writable model either")
        raise Broken(
            f"the server works only with a writable /opt/ml/model; read-only, {seen.plain.fault}",
            *seen.plain.signs,
        )
    for line in seen.plain.log.splitlines():
        if READ_ONLY.search(line) and MODEL in line:
            raise Doubtful(f"the server works, but prints: {line.strip()[:200]}")


@check("SERVE-18", odd)
def odd_variables_do_no_harm(fault: str) -> None:
    """100 variables, empty, unknown, or of 1024 characters: healthy, and each sample is answered.

    If that fails, it is retried beside a server without them.
    """
    if fault:
        raise Broken(f"with unusual variables {fault}")
