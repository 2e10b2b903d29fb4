"""Clauses of multi-model endpoints (MME) on what is shared: time, memory and folders of models."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful, Unseen, check, last_lines
from buildkit.contract.endpoints import multi_model_server
from buildkit.contract.endpoints.multi_model_server import FIRST, HEAVY, SECOND, Shelf
from buildkit.contract.engine import MISSING
from buildkit.contract.hosting.client import OK

if TYPE_CHECKING:
    from buildkit.contract.hosting.client import Answer
    from buildkit.contract.hosting.server import Serving
    from buildkit.contract.machine import Limit

CONFLICT = 409
NO_MEMORY = 507
FREE_SECONDS = 5
"""How long memory or files may take to be free before it counts."""
LOOK_SECONDS = 1
"""Between two looks at whether they are."""
ROUNDS = 3
"""A model that is not freed may still fit in once."""
FULL = multi_model_server.of(
    "`serve` with SAGEMAKER_MULTI_MODEL=true, models of 200 MB, and 1 GB of memory",
    heavy=True,
    memory=multi_model_server.MEMORY,
)
VANISHING = multi_model_server.of(
    "`serve` with SAGEMAKER_MULTI_MODEL=true, and folders that come and go"
)


@check("MME-07", FULL)
def a_load_blocks_nobody(shelf: Shelf) -> None:
    """While large models are loaded: each GET /ping within 2 s, and another model answers."""
    serving = shelf.serving
    payload = serving.a_payload()
    multi_model_server.need_loaded(serving, FIRST)

    def invoke_until_loaded() -> None:
        while not loads.done():
            _during_a_load(
                multi_model_server.invoke(serving, FIRST, payload), "an invocation of another model"
            )

    with ThreadPoolExecutor(max_workers=2) as pool:
        loads = pool.submit(lambda: [multi_model_server.load(serving, name) for name in HEAVY[:2]])
        invocations = pool.submit(invoke_until_loaded)
        while not loads.done():
            _during_a_load(serving.ping(), "GET /ping")
        invocations.result()
        if all(each.status != OK for each in loads.result()):
            raise Unseen("no large model could be loaded", f": {loads.result()[0].shown()}")


@check("MME-02", FULL)
def says_that_memory_is_short(shelf: Shelf) -> None:
    """Models of 200 MB until no more fit into 1 GB: 507, and the server lives on."""
    loaded, answer = _filled(shelf.serving)
    if answer.status != NO_MEMORY:
        raise Doubtful(
            f"POST /models of model {len(loaded) + 1} of 200 MB in 1 GB answered {answer.shown()}; "
            "only after 507 SageMaker makes room and tries again"
        )
    if shelf.serving.ping().status != OK:
        raise Broken(f"after 507 the server is not healthy{last_lines(shelf.serving.log)}")


@check("MME-05", FULL)
def frees_memory(shelf: Shelf) -> None:
    """After 507, three times the DELETE of a model: each time it can be loaded again."""
    loaded, answer = _filled(shelf.serving)
    if answer.status != NO_MEMORY:
        raise Unseen("it does not say that memory is short")
    for _ in range(ROUNDS):
        multi_model_server.unload(shelf.serving, loaded[-1])
        limit = _time_to_free(shelf)
        answer = multi_model_server.load(shelf.serving, loaded[-1])
        while answer.status not in (OK, CONFLICT) and not limit.expired():
            time.sleep(LOOK_SECONDS)
            answer = multi_model_server.load(shelf.serving, loaded[-1])
        if answer.status not in (OK, CONFLICT):
            raise Broken(f"after DELETE of a model, POST /models of it answered {answer.shown()}")


@check("MME-09", VANISHING)
def writes_nothing(shelf: Shelf) -> None:
    """A model is loaded from a read-only folder, if it can be from a writable one."""
    shelf.serving.need_health()
    answer = multi_model_server.load(shelf.serving, FIRST)
    if answer.status in (OK, CONFLICT):
        return
    with multi_model_server.shelf(shelf.bench, writable=True) as other:
        other.serving.need_health()
        if multi_model_server.load(other.serving, FIRST).status == OK:
            raise Broken(f"a model in a read-only folder cannot be loaded: {answer.shown()}")
    raise Unseen("a model cannot be loaded", f": POST /models answered {answer.shown()}")


@check("MME-09", VANISHING)
def keeps_no_file_open(shelf: Shelf) -> None:
    """After DELETE no process of the container has a file of the model open or mapped."""
    multi_model_server.need_loaded(shelf.serving, FIRST)
    multi_model_server.unload(shelf.serving, FIRST)
    limit = _time_to_free(shelf)
    while (found := _open_files(shelf)) and not limit.expired():
        time.sleep(LOOK_SECONDS)
    if not found:
        return
    raise Broken(f"{FREE_SECONDS} s after DELETE a file of the model is open: {found[:300]}")


@check("MME-09", VANISHING)
def survives_without(shelf: Shelf) -> None:
    """A folder vanishes after DELETE: the rest goes on, and it loads again when it is back."""
    serving = shelf.serving
    multi_model_server.need_loaded(serving, FIRST, SECOND)
    multi_model_server.unload(serving, FIRST)
    shelf.vanish(FIRST)
    answer = multi_model_server.load(serving, FIRST)
    lies = answer.status == OK
    if lies:
        multi_model_server.unload(serving, FIRST)
    if (pinged := serving.ping()).status != OK:
        raise Broken(f"after a model's folder vanished GET /ping answered {pinged.shown()}")
    for payload in serving.payloads[:1]:
        found = multi_model_server.invoke(serving, SECOND, payload)
        if found.status != OK:
            raise Broken(f"after a model's folder vanished another answered {found.shown()}")
    shelf.put_back(FIRST)
    found = multi_model_server.load(serving, FIRST)
    if found.status not in (OK, CONFLICT):
        raise Broken(f"a model whose folder came back cannot be loaded: {found.shown()}")
    if lies:
        raise Doubtful(f"a model whose folder has vanished is loaded: {answer.shown()}")


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
        answer = multi_model_server.load(serving, name)
        if answer.status not in (OK, CONFLICT):
            if len(loaded) > 1:
                return loaded, answer
            raise Unseen("large models cannot be loaded side by side", f": {answer.shown()}")
        loaded.append(name)
    raise Unseen("all models of 200 MB fit into 1 GB: it does not read files that it does not know")


def _open_files(shelf: Shelf) -> str:
    folder = f"{multi_model_server.ROOT}/{FIRST}"
    code, found = shelf.serving.container.execute(
        "sh",
        "-c",
        f"(ls -l /proc/[0-9]*/fd; grep -h {folder} /proc/[0-9]*/maps) 2>/dev/null | grep {folder}",
    )
    return "" if code in MISSING else found.strip()
