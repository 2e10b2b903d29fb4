"""Clauses of adapter inference components (ADAPT): a running server loads an adapter, and uses it.

Requests and headers are those of AWS's library for hosting containers.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract.archive import Archive
from buildkit.contract.checks import Broken, Doubtful, Unsampled, Unseen, check
from buildkit.contract.comparison import same
from buildkit.contract.endpoints.models import LOAD_SECONDS
from buildkit.contract.engine import Mount
from buildkit.contract.hosting import starting
from buildkit.contract.hosting.client import OK
from buildkit.contract.hosting.server import fits, named
from buildkit.contract.jobs import training_runs
from buildkit.contract.logs import last_lines
from buildkit.contract.scenario import scenario
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.contract.hosting.client import Answer
    from buildkit.contract.hosting.server import Serving
    from buildkit.contract.scenario import Bench
    from buildkit.model.target import Payload

IDENTIFIER = "X-Amzn-SageMaker-Adapter-Identifier"
ALIAS = "X-Amzn-SageMaker-Adapter-Alias"
NAME = "b7d20f4e6a1c4938"
UNKNOWN = "e05c91a8d37f4b62"
"""Names of adapters are opaque to a server, as are the folders of their files."""
FOLDER = f"/opt/ml/models/{NAME}"


@scenario("`serve` with the adapter of the samples", Purpose.INFERENCE)
def served(bench: Bench) -> Iterator[Serving]:
    if bench.subject.samples.adapter is None:
        raise Unsampled("the samples have no adapter to load")
    starting.healthy(bench)
    mount = Mount(volume=bench.once(_adapter), path=FOLDER, read_only=True)
    with starting.served(bench, start=replace(starting.SERVE, mounts=(mount,))) as serving:
        yield serving


def _adapter(bench: Bench) -> str:
    """A volume with the adapter of the samples."""
    archive = Archive()
    archive.tree(NAME, Path(bench.subject.samples.adapter or ""))
    return training_runs.filled(bench, FOLDER, archive.chunks())


@check("ADAPT-03", served)
def base_answers(serving: Serving) -> None:
    """With a loaded adapter, samples without the header get 200 and the answers of before."""
    serving.a_payload()
    # The first of the checks: after others a base may have changed for good.
    before = {payload: repeated(serving, payload) for payload in serving.payloads}
    need_loaded(serving)
    for payload, wanted in before.items():
        invoke(serving, payload, NAME)
        answer = serving.invoke(payload)
        if answer.status != OK or not fits(answer, payload):
            raise Broken(
                f"while an adapter is loaded, {named(payload)} without {IDENTIFIER} was answered "
                f"with {answer.shown()}"
            )
        if wanted is not None and not same(answer.content_type, answer.body, wanted.body):
            raise Broken(
                f"{named(payload)} without {IDENTIFIER} was answered with {answer.shown()} while "
                f"an adapter is loaded, and with {wanted.shown()} before"
            )


@check("ADAPT-01", served)
def loads_and_unloads(serving: Serving) -> None:
    """POST /adapters, DELETE /adapters/<name> and POST again get a 2xx; /ping answers 200."""
    serving.need_health()
    unload(serving)  # left by ADAPT-03: a server may refuse to load an adapter twice
    for request in ("POST /adapters", "DELETE /adapters/<name>", "POST /adapters, once more,"):
        answer = unload(serving) if request.startswith("DELETE") else load(serving)
        if not _accepted(answer):
            raise Broken(f"{request} answered {answer.shown()}{last_lines(serving.log)}")
        serving.need_ping(f"after {request} ")


@check("ADAPT-02", served, decides=True)
def answers_by_the_adapter(serving: Serving) -> None:
    """Each sample that names the adapter gets 200, and one of them not the base's answer."""
    serving.a_payload()
    need_loaded(serving)
    alike = []
    for payload in serving.payloads:
        answer = invoke(serving, payload, NAME)
        if answer.status != OK:
            raise Broken(
                f"{named(payload)} with {IDENTIFIER} was answered with {answer.shown()}"
                f"{last_lines(serving.log)}"
            )
        base = serving.invoke(payload)
        if base.status != OK:
            raise Unseen("the base does not answer while an adapter is loaded (ADAPT-03)")
        alike.append(same(answer.content_type, answer.body, base.body))
    if all(alike):
        raise Doubtful(f"with {IDENTIFIER} every sample gets the answer of the base")


@check("ADAPT-02", served)
def refuses_an_unknown_adapter(serving: Serving) -> None:
    """A sample that names an adapter that was never loaded, or was unloaded, gets no 200."""
    payload = serving.a_payload()
    need_loaded(serving)
    if not _accepted(unload(serving)):
        raise Unseen("an adapter cannot be unloaded (ADAPT-01)")
    for name, kind in ((UNKNOWN, "was never loaded"), (NAME, "was unloaded")):
        answer = invoke(serving, payload, name)
        if answer.status == OK:
            raise Doubtful(
                f"{named(payload)} with {IDENTIFIER} of an adapter that {kind} was answered with "
                f"{answer.shown()}"
            )


def repeated(serving: Serving, payload: Payload) -> Answer | None:
    """The answer to a sample, None if it is another one the second time."""
    first, second = serving.invoke(payload), serving.invoke(payload)
    return first if same(first.content_type, first.body, second.body) else None


def need_loaded(serving: Serving) -> None:
    """Load the adapter, after unloading it. Raises Unseen if it cannot be loaded."""
    unload(serving)
    answer = load(serving)
    if not _accepted(answer):
        detail = f": POST /adapters answered {answer.shown()}"
        raise Unseen("an adapter cannot be loaded (ADAPT-01)", detail)


def load(serving: Serving) -> Answer:
    return serving.client.ask(
        "POST",
        "/adapters",
        seconds=LOAD_SECONDS,
        body=json.dumps({"name": NAME, "src": FOLDER}).encode(),
        headers={"Content-Type": "application/json", **_headers(NAME)},
    )


def unload(serving: Serving) -> Answer:
    return serving.client.ask(
        "DELETE", f"/adapters/{NAME}", seconds=LOAD_SECONDS, headers=_headers(NAME)
    )


def invoke(serving: Serving, payload: Payload, name: str) -> Answer:
    return serving.invoke(payload, _headers(name))


def _headers(name: str) -> dict[str, str]:
    """The name of an adapter, and what its inference component is called."""
    return {IDENTIFIER: name, ALIAS: "buildkit-adapter"}


def _accepted(answer: Answer) -> bool:
    return 200 <= answer.status < 300  # noqa: PLR2004 - success
