"""Clauses of hosting about the model folder and the environment: each on its own server."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkit.contract.bench import Bench, Scenario
from buildkit.contract.clause import Broken, Doubtful, Unseen, check
from buildkit.contract.hosting import servers
from buildkit.contract.hosting.servers import MODEL, SERVE
from buildkit.contract.hosting.trial import Plain, copied_model, plain, works
from buildkit.model import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.contract.hosting.server import Serving


READ_ONLY = re.compile(r"read-only file ?system", re.IGNORECASE)
ODD_ENVIRONMENT = {
    "SAGEMAKER_PROGRAM": "",
    "SAGEMAKER_SUBMIT_DIRECTORY": "",
    "SAGEMAKER_CONTAINER_LOG_LEVEL": "20",
    "SAGEMAKER_REGION": "mars-central-1",
    "SAGEMAKER_JOB_NAME": "",
    "BUILDKIT_ODD": "odd 'value' \"of\" $HOME; \\ ü",
    **{f"BUILDKIT_LONG_{number}": "x" * 1000 for number in range(25)},
}
"""What the SDK sets for a model without script, and within the API's limits much besides."""

WRITABLE_SECONDS = 60
"""Long enough to see a server work that failed with the same model read-only."""


@dataclass(frozen=True, kw_only=True)
class Writable:
    """The plain server and, if it does not work, what another led to that may write its model."""

    plain: Plain
    works_writable: bool


@contextmanager
def _writable(bench: Bench) -> Iterator[Writable]:
    """A model that can be written is tried only where the plain server fails."""
    seen = plain(bench)
    works_writable = False
    if not seen.works:
        with servers.served(
            bench, choose=copied_model, writable=True, seconds=WRITABLE_SECONDS
        ) as serving:
            works_writable, _ = works(serving)
    if works_writable:  # this machine may have been slow before
        with servers.served(bench) as serving:
            good, told = works(serving)
        seen = replace(seen, works=good, told=told)
    yield Writable(plain=seen, works_writable=works_writable)


@contextmanager
def _bare(bench: Bench) -> Iterator[Serving]:
    servers.healthy(bench)
    if servers.model(bench) is not None:
        raise Unseen("the image is served with a model")
    with servers.started(bench, SERVE) as serving:
        yield serving


WRITABLE = Scenario(
    title="`serve` with the model read-only, and else writable",
    stage=_writable,
    purpose=Purpose.INFERENCE,
)
BARE = Scenario(title="`serve` without /opt/ml/model", stage=_bare, purpose=Purpose.INFERENCE)
ODD = servers.of("`serve` with odd variables", start=replace(SERVE, environment=ODD_ENVIRONMENT))


@check("SERVE-16", BARE)
def works_without_folder(serving: Serving) -> None:
    """An image that needs no model is healthy without the folder, and answers each sample."""
    good, told = works(serving)
    if not good:
        raise Broken(f"without a folder /opt/ml/model {told}")


@check("SERVE-17", WRITABLE)
def read_only_is_enough(seen: Writable) -> None:
    """If it does not work read-only: whether it does with a model that can be written."""
    if not seen.plain.works:
        if not seen.works_writable:
            raise Unseen("it does not work with a writable model either")
        raise Broken(f"it works only with a writable /opt/ml/model; else {seen.plain.told}")
    for line in seen.plain.log.splitlines():
        if READ_ONLY.search(line) and MODEL in line:
            raise Doubtful(f"it works, but says: {line.strip()[:200]}")


@check("SERVE-18", ODD)
def odd_variables_do_no_harm(serving: Serving) -> None:
    """Empty, long and unknown variables: it is healthy, and answers each sample."""
    good, told = works(serving)
    if not good:
        raise Broken(f"with odd variables {told}")


CHECKS = (
    works_without_folder,
    read_only_is_enough,
    odd_variables_do_no_harm,
)
