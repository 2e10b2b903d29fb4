"""Clauses of script-style serving (ITK), with an inference.py of the suite beside the model."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from buildkit.contract.archive import Archive
from buildkit.contract.checks import Broken, Doubtful, Unseen, check
from buildkit.contract.hosting import starting
from buildkit.contract.hosting.client import OK
from buildkit.contract.image import files
from buildkit.contract.jobs import training_runs
from buildkit.contract.logs import last_lines
from buildkit.contract.scenario import scenario
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkit.contract.hosting.client import Answer
    from buildkit.contract.hosting.server import Serving
    from buildkit.contract.scenario import Bench, Scenario

SERVER = "multi-model-server"
IMPORTED = "buildkit_inference: imported"
RAISED = "buildkit_inference: model_fn raises"
LISTENING_SECONDS = 30
"""A server that has not called model_fn by then calls it on a request."""
LOOK_SECONDS = 0.5
DEFAULT_ACCEPT = "application/jsonlines"
"""A type that a server would not choose by itself for a request in CSV."""
MIXED_SECONDS = 60
"""Time limit for a server that should never be healthy."""
START = replace(
    starting.SERVE,
    environment={
        "SAGEMAKER_PROGRAM": "inference.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
        "SAGEMAKER_REGION": "us-east-1",
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": DEFAULT_ACCEPT,
    },
)
HEAD = f"""\
import os, sys
print({IMPORTED!r})
sys.stdout.flush()
def text(body):
    return body if isinstance(body, str) else bytes(body).decode()
"""
MODEL_FN = """\
def model_fn(model_dir):
    with open(os.path.join(model_dir, "buildkit.txt")) as file:
        return file.read().strip()
"""
STEPS = """\
def input_fn(body, content_type):
    return text(body).strip() + "i"
def predict_fn(data, model):
    return model + data + "p"
def output_fn(prediction, accept):
    return prediction + "o " + str(accept)
"""
STEPPED = b"73ipo"
"""What these functions return for the model 7 and the request 3, before the type."""
TRANSFORM = """\
def transform_fn(model, body, content_type, accept):
    return model + text(body).strip() + "t"
"""
RAISING = f"""\
def model_fn(model_dir):
    print({RAISED!r})
    sys.stdout.flush()
    raise RuntimeError({RAISED!r})
"""


def _model(source: str) -> Callable[[Bench], str]:
    def make(bench: Bench) -> str:
        archive = Archive()
        archive.folder("model/code")
        archive.file("model/buildkit.txt", b"7\n")
        archive.file("model/code/inference.py", (HEAD + source).encode())
        return training_runs.filled(bench, starting.MODEL, archive.chunks())

    return lambda bench: bench.once(make)


def _of(title: str, source: str, seconds: float | None = None) -> Scenario[Serving]:
    return starting.of(
        title, start=START, choose=_model(source), seconds=seconds, needs_health=False
    )


IN_STEPS = _of("`serve` with input_fn, predict_fn and output_fn", MODEL_FN + STEPS)
AT_ONCE = _of("`serve` with transform_fn", MODEL_FN + TRANSFORM)
MIXED = _of(
    "`serve` with transform_fn beside predict_fn", MODEL_FN + STEPS + TRANSFORM, MIXED_SECONDS
)


@scenario("`serve` with a model_fn that raises", Purpose.INFERENCE)
def cannot_load(bench: Bench) -> Iterator[Serving]:
    environment = bench.engine.view(bench.subject.image).environment
    with bench.engine.container(bench.subject.image, starting.SERVE) as container:
        if files.on_path(container, environment, SERVER) is None:
            raise Unseen(f"{SERVER} is not on the PATH of the image")
    with starting.served(
        bench, start=START, choose=_model(RAISING), seconds=MIXED_SECONDS
    ) as serving:
        yield serving


def _invoke(serving: Serving) -> Answer:
    return serving.send(b"3", {"Content-Type": "text/csv", "Accept": "text/csv"})


def _said(serving: Serving, text: str) -> bool:
    return any(text in line.text for line in serving.container.lines())


def _need_import(serving: Serving) -> None:
    if serving.refusal is not None or not _said(serving, IMPORTED):
        raise Unseen("the server does not import code/inference.py of the model folder")


def _demand(serving: Serving, wanted: bytes) -> None:
    _need_import(serving)
    if serving.health.after is None:
        raise Broken(f"with code/inference.py the server is never healthy: {serving.evidence}")
    answer = _invoke(serving)
    if answer.status != OK or wanted not in answer.body:
        raise Broken(
            f"the functions return {wanted.decode()!r} for the model 7 and the request 3, but "
            f"POST /invocations answered {answer.shown()}{last_lines(serving.log)}"
        )


@check("ITK-02", IN_STEPS)
def passes_the_default_type_on(serving: Serving) -> None:
    """Without an Accept header, output_fn gets SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT."""
    _need_import(serving)
    if serving.health.after is None:
        raise Unseen("with code/inference.py the server is never healthy (ITK-04)")
    answer = serving.send(b"3", {"Content-Type": "text/csv"})
    _, called, accept = answer.body.partition(STEPPED)
    if answer.status != OK or not called:
        raise Unseen("no answer shows that output_fn was called (ITK-04)")
    # The server may encode the text, as JSON for example.
    if DEFAULT_ACCEPT.encode() not in accept.replace(b"\\/", b"/"):
        raise Broken(
            f"with SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT={DEFAULT_ACCEPT} and without an Accept "
            f"header output_fn got {accept[:100].decode('utf-8', 'replace').strip()!r}"
        )


@check("ITK-04", IN_STEPS, gap="input_fn, predict_fn and output_fn were not seen to be called")
def calls_the_steps(serving: Serving) -> None:
    """An answer shows that model_fn, input_fn, predict_fn and output_fn were called in order."""
    _demand(serving, STEPPED)


@check("ITK-04", AT_ONCE, gap="transform_fn was not seen to be called")
def calls_transform(serving: Serving) -> None:
    """An answer shows that model_fn and transform_fn were called."""
    _demand(serving, b"73t")


@check("ITK-04", MIXED)
def refuses_a_mix(serving: Serving) -> None:
    """The server does not become healthy, or does not answer with 200."""
    _need_import(serving)
    if serving.health.after is not None and (answer := _invoke(serving)).status == OK:
        raise Doubtful(
            f"with transform_fn beside predict_fn the answer is {answer.shown()} instead of an "
            "error"
        )


@check("ITK-07", cannot_load)
def ping_reports_failure(serving: Serving) -> None:
    """GET /ping does not answer 200 after model_fn has raised."""
    if serving.health.after is None:
        return
    limit = serving.machine.limit(serving.container, LISTENING_SECONDS)
    while not _said(serving, RAISED):
        if limit.expired():
            raise Unseen("model_fn of code/inference.py is not called before a request")
        time.sleep(LOOK_SECONDS)
    if (answer := serving.ping()).status == OK:
        raise Broken(f"model_fn has raised, but GET /ping answers {answer.shown()}")
