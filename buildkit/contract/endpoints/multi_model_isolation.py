"""Clauses of multi-model endpoints (MME) on shared resources: time, memory, model folders."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful, Unseen, check
from buildkit.contract.endpoints import models
from buildkit.contract.endpoints.models import FIRST, HEAVY, SECOND, Shelf
from buildkit.contract.engine import MISSING
from buildkit.contract.hosting.client import OK
from buildkit.contract.logs import last_lines

if TYPE_CHECKING:
    from buildkit.contract.hosting.client import Answer
    from buildkit.contract.hosting.server import Serving
    from buildkit.contract.machine import Limit

CONFLICT = 409
NO_MEMORY = 507
FREE_SECONDS = 5
"""Time for memory or files to be released after an unload."""
LOOK_SECONDS = 1
"""Seconds between two looks at whether they are."""
ROUNDS = 3
"""Tries: a model may fit in once although nothing was freed."""
FULL = models.of(
    "`serve` with SAGEMAKER_MULTI_MODEL=true, models of 200 MB, and 1 GB of memory",
    heavy=True,
    memory=models.MEMORY,
)
VANISHING = models.of("`serve` with SAGEMAKER_MULTI_MODEL=true, and model folders that vanish")


@check("MME-07", FULL)
def a_load_blocks_no_other(shelf: Shelf) -> None:
    """During loads of large models, each GET /ping answers in 2 s, and so does another model."""
    serving = shelf.serving
    payload = serving.a_payload()
    models.need_loaded(serving, FIRST)

    def invoke_until_loaded() -> None:
        while not loads.done():
            _during_a_load(models.invoke(serving, FIRST, payload), "an invocation of another model")

    with ThreadPoolExecutor(max_workers=2) as pool:
        loads = pool.submit(lambda: [models.load(serving, name) for name in HEAVY[:2]])
        invocations = pool.submit(invoke_until_loaded)
        while not loads.done():
            _during_a_load(serving.ping(), "GET /ping")
        invocations.result()
        if all(each.status != OK for each in loads.result()):
            raise Unseen("no large model could be loaded", f": {loads.result()[0].shown()}")


@check("MME-02", FULL, gap="the server never ran out of memory")
def reports_full_memory(shelf: Shelf) -> None:
    """Models of 200 MB, until no more fit into 1 GB: 507, and the server keeps running."""
    loaded, answer = _filled(shelf.serving)
    if answer.status != NO_MEMORY:
        raise Doubtful(
            f"POST /models of model {len(loaded) + 1} of 200 MB in 1 GB answered {answer.shown()}; "
            "SageMaker unloads models and retries only after 507"
        )
    if shelf.serving.ping().status != OK:
        raise Broken(f"after 507 the server is not healthy{last_lines(shelf.serving.log)}")


@check("MME-05", FULL, gap="the server never ran out of memory")
def frees_memory(shelf: Shelf) -> None:
    """After 507, a model can be deleted and loaded again, three times."""
    loaded, answer = _filled(shelf.serving)
    if answer.status != NO_MEMORY:
        raise Unseen("the server does not answer 507 when memory runs out")
    for _ in range(ROUNDS):
        models.unload(shelf.serving, loaded[-1])
        limit = _time_to_free(shelf)
        answer = models.load(shelf.serving, loaded[-1])
        while answer.status not in (OK, CONFLICT) and not limit.expired():
            time.sleep(LOOK_SECONDS)
            answer = models.load(shelf.serving, loaded[-1])
        if answer.status not in (OK, CONFLICT):
            raise Broken(f"after DELETE of a model, POST /models of it answered {answer.shown()}")


@check("MME-09", VANISHING, decides=True)
def writes_nothing(shelf: Shelf) -> None:
    """A model that loads from a writable folder also loads from a read-only one."""
    shelf.serving.need_health()
    answer = models.load(shelf.serving, FIRST)
    if answer.status in (OK, CONFLICT):
        return
    with models.shelf(shelf.bench, writable=True) as other:
        other.serving.need_health()
        if models.load(other.serving, FIRST).status == OK:
            raise Broken(f"a model in a read-only folder cannot be loaded: {answer.shown()}")
    raise Unseen("a model cannot be loaded", f": POST /models answered {answer.shown()}")


@check("MME-09", VANISHING, decides=True)
def keeps_no_file_open(shelf: Shelf) -> None:
    """After DELETE no process of the container has a file of the model open or mapped."""
    models.need_loaded(shelf.serving, FIRST)
    models.unload(shelf.serving, FIRST)
    limit = _time_to_free(shelf)
    while (found := _open_files(shelf)) and not limit.expired():
        time.sleep(LOOK_SECONDS)
    if not found:
        return
    raise Broken(f"a file of the model is still open {FREE_SECONDS} s after DELETE: {found[:300]}")


@check("MME-09", VANISHING, decides=True)
def survives_without(shelf: Shelf) -> None:
    """A model folder vanishes after DELETE: other models work, and it loads again when restored."""
    serving = shelf.serving
    models.need_loaded(serving, FIRST, SECOND)
    models.unload(serving, FIRST)
    shelf.vanish(FIRST)
    answer = models.load(serving, FIRST)
    lies = answer.status == OK
    if lies:
        models.unload(serving, FIRST)
    serving.need_ping("after a model's folder vanished ")
    for payload in serving.payloads[:1]:
        found = models.invoke(serving, SECOND, payload)
        if found.status != OK:
            raise Broken(f"after a model's folder vanished another model answered {found.shown()}")
    shelf.put_back(FIRST)
    found = models.load(serving, FIRST)
    if found.status not in (OK, CONFLICT):
        raise Broken(f"a model whose folder was restored cannot be loaded: {found.shown()}")
    if lies:
        raise Doubtful(f"POST /models of a model whose folder vanished answered {answer.shown()}")


def _time_to_free(shelf: Shelf) -> Limit:
    return shelf.serving.machine.limit(shelf.serving.container, FREE_SECONDS)


def _during_a_load(answer: Answer, request: str) -> None:
    if answer.status != OK:
        raise Broken(f"while a model was loaded, {request} was answered with {answer.shown()}")


def _filled(serving: Serving) -> tuple[list[str], Answer]:
    """Heavy models that are loaded, and the answer to the first that is not. Raises Unseen."""
    serving.need_health()
    loaded: list[str] = []
    for name in HEAVY:
        answer = models.load(serving, name)
        if answer.status not in (OK, CONFLICT):
            if len(loaded) > 1:
                return loaded, answer
            raise Unseen("large models cannot be loaded side by side", f": {answer.shown()}")
        loaded.append(name)
    raise Unseen("all models of 200 MB fit into 1 GB: the server does not read unknown files")


def _open_files(shelf: Shelf) -> str:
    folder = f"{models.ROOT}/{FIRST}"
    code, found = shelf.serving.container.execute(
        "sh",
        "-c",
        f"(ls -l /proc/[0-9]*/fd; grep -h {folder} /proc/[0-9]*/maps) 2>/dev/null | grep {folder}",
    )
    return "" if code in MISSING else found.strip()
