"""Clauses of multi-model endpoints (MME): models are loaded, listed, invoked and unloaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, check
from buildkit.contract.endpoints import models
from buildkit.contract.endpoints.models import BAD, FIRST, SECOND, UNKNOWN, Shelf
from buildkit.contract.hosting import starting
from buildkit.contract.hosting.client import OK
from buildkit.contract.hosting.server import fits
from buildkit.contract.image import basics
from buildkit.contract.logs import last_lines
from buildkit.contract.scenario import scenario
from buildkit.contract.signs import Sign
from buildkit.model.features import Feature
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.contract.hosting.client import Answer
    from buildkit.contract.hosting.server import Serving
    from buildkit.contract.image.basics import StillImage
    from buildkit.contract.scenario import Bench

NOT_FOUND = 404
CONFLICT = 409


@scenario("`serve` with SAGEMAKER_MULTI_MODEL=true and no model", Purpose.INFERENCE)
def bare(bench: Bench) -> Iterator[Serving]:
    with starting.started(bench, models.START) as serving:
        yield serving


SHELF = models.of("`serve` with SAGEMAKER_MULTI_MODEL=true and models read-only")


@check("MME-01", basics.still)
def has_label(image: StillImage) -> None:
    """The image's label for many models is `true`."""
    image.need_label(Feature.MULTI_MODEL)


@check("MME-01", bare, decides=True)
def healthy_without_models(serving: Serving) -> None:
    """With SAGEMAKER_MULTI_MODEL=true and without /opt/ml/model GET /ping answers 200."""
    if serving.health.after is None:
        evidence = f"with SAGEMAKER_MULTI_MODEL=true and no model {serving.evidence}"
        raise Broken(evidence, Sign.UNHEALTHY)


@check("MME-03", bare)
def lists_nothing(serving: Serving) -> None:
    """GET /models before any load: 200 and an empty list."""
    serving.need_health()
    if found := models.listed(serving):
        raise Broken(f"GET /models lists {', '.join(found)}, but no model has been loaded")


@check("MME-02", SHELF, decides=True)
def loads(shelf: Shelf) -> None:
    """POST /models: 200, and 409 the second time."""
    serving = shelf.serving
    serving.need_health()
    models.unload(serving, FIRST)  # an earlier check may have loaded it
    for wanted in (OK, CONFLICT):
        answer = models.load(serving, FIRST)
        if answer.status != wanted:
            word = "a model" if wanted == OK else "a model that is loaded"
            raise Broken(
                f"POST /models with {word} answered {answer.shown()}, not {wanted}"
                f"{last_lines(serving.log)}"
            )


@check("MME-02", SHELF)
def refuses_an_empty_folder(shelf: Shelf) -> None:
    """POST /models with an empty folder: no 200."""
    shelf.serving.need_health()
    answer = models.load(shelf.serving, BAD)
    if answer.status == OK:
        models.unload(shelf.serving, BAD)
        raise Broken(f"POST /models with an empty folder answered {answer.shown()}")


@check("MME-03", SHELF, decides=True)
def lists(shelf: Shelf) -> None:
    """GET /models after two loads: both, with modelName and modelUrl, over all pages."""
    models.need_loaded(shelf.serving, FIRST, SECOND)
    found = models.listed(shelf.serving)
    for name in (FIRST, SECOND):
        if name not in found:
            raise Broken(f"GET /models does not list {name}, only {', '.join(found) or 'nothing'}")
        if found[name] != models.url(name):
            raise Broken(
                f"GET /models gives modelUrl {str(found[name])[:200]!r} for a model loaded from "
                f"{models.url(name)}"
            )


@check("MME-04", SHELF)
def describes_one(shelf: Shelf) -> None:
    """GET /models/<name>: modelName and modelUrl of a loaded model, 404 for another."""
    models.need_loaded(shelf.serving, FIRST)
    answer = models.get(shelf.serving, FIRST)
    said = f"GET /models/<name> answered {answer.shown()}"
    found = models.read(answer, said)
    # Multi Model Server has a list of versions here, and SageMaker takes it.
    each = found[0] if isinstance(found, list) and found else found
    facts = (each.get("modelName"), each.get("modelUrl")) if isinstance(each, dict) else ()
    if facts != (FIRST, models.url(FIRST)):
        raise Broken(f"{said}, without modelName {FIRST} and modelUrl {models.url(FIRST)}")
    _not_found(models.get(shelf.serving, UNKNOWN), "GET /models/<name>")


@check("MME-06", SHELF, decides=True)
def answers(shelf: Shelf) -> None:
    """POST /models/<name>/invoke with each sample: 200, and the declared answer."""
    models.need_loaded(shelf.serving, FIRST)
    shelf.serving.a_payload()
    for payload in shelf.serving.payloads:
        answer = models.invoke(shelf.serving, FIRST, payload)
        if answer.status != OK or not fits(answer, payload):
            raise Broken(
                f"POST /models/<name>/invoke with {Path(payload.body).name} answered "
                f"{answer.shown()}{last_lines(shelf.serving.log)}"
            )


@check("MME-06", SHELF)
def refuses_an_unknown_model(shelf: Shelf) -> None:
    """POST /models/<name>/invoke of a model that is not loaded: 404."""
    payload = shelf.serving.a_payload()
    answer = models.invoke(shelf.serving, UNKNOWN, payload)
    _not_found(answer, "POST /models/<name>/invoke")


@check("MME-05", SHELF, decides=True)
def unloads(shelf: Shelf) -> None:
    """DELETE /models/<name>: 200, then it is unknown, the second time 404; and it loads again."""
    serving = shelf.serving
    models.need_loaded(serving, SECOND)
    answer = models.unload(serving, SECOND)
    if answer.status != OK:
        raise Broken(f"DELETE /models/<name> of a loaded model answered {answer.shown()}")
    if (found := models.get(serving, SECOND)).status == OK:
        raise Broken(f"after DELETE, GET /models/<name> answered {found.shown()}")
    _not_found(models.unload(serving, SECOND), "DELETE /models/<name>")
    answer = models.load(serving, SECOND)
    if answer.status != OK:
        raise Broken(f"after DELETE, POST /models of the same model answered {answer.shown()}")


def _not_found(answer: Answer, request: str) -> None:
    if answer.status != NOT_FOUND:
        raise Broken(f"{request} of a model that is not loaded answered {answer.shown()}, not 404")
