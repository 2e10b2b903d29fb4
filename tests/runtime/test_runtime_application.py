"""Routes and handlers without a server."""

from __future__ import annotations

import gc
import logging
import sys
from asyncio import CancelledError
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from buildkit_runtime import content, handlers_plain, packages, serving
from buildkit_runtime.application import Service
from buildkit_runtime.handlers import (
    Answer,
    HandlerError,
    Handlers,
    combine,
    find_script,
    import_script,
    library,
    load_handlers,
    to_answer,
)
from buildkit_runtime.invocation import Invocation
from buildkit_runtime.metrics import Meter
from buildkit_runtime.readiness import Readiness
from gunicorn.errors import HaltServer
from werkzeug.exceptions import BadRequest
from werkzeug.test import Client, TestResponse

if TYPE_CHECKING:
    from pathlib import Path


def total(data: list[list[float]], model: float) -> list[float]:
    return [sum(row) * model for row in data]


OWN = {"model_fn": lambda _folder: 10, "predict_fn": total}


def client_of(own: dict[str, Any]) -> Client:
    return client_with(combine(vars(handlers_plain), own))


def client_with(handlers: Handlers) -> Client:
    service = Service(
        lambda: (handlers, handlers.model_fn("model")),
        give_up=lambda: None,
        readiness=Readiness(workers=1),
        meter=Meter(seats=1),
        concurrency=64,
    )
    service.load()
    return Client(service)


def invoke(client: Client, body: str = "1,2", content_type: str = content.CSV) -> TestResponse:
    return client.post("/invocations", data=body, content_type=content_type)


def test_a_user_may_define_any_subset_of_the_steps() -> None:
    assert invoke(client_of(OWN)).text == "30.0"
    own = {**OWN, "output_fn": lambda prediction, accept: (f"{prediction} {accept}", "text/odd")}
    answer = invoke(client_of(own))
    assert (answer.text, answer.content_type) == ("[30.0] application/json", "text/odd")
    asked = client_of(own).post(
        "/invocations", data="1,2", content_type=content.CSV, headers={"Accept": content.CSV}
    )
    assert asked.text == "[30.0] text/csv"
    own = {**OWN, "input_fn": lambda body, content_type: [[len(body), len(content_type)]]}
    assert invoke(client_of(own), "abc", "image/png").text == "[120]"


def test_transform_fn_replaces_the_steps() -> None:
    own = {"model_fn": lambda _folder: 2, "transform_fn": lambda model, body, *_: body * model}
    assert invoke(client_of(own), "ab").text == "abab"


def test_transform_fn_beside_a_step_is_an_error() -> None:
    with pytest.raises(HandlerError, match="transform_fn replaces predict_fn"):
        combine(vars(handlers_plain), {**OWN, "transform_fn": print})


def test_functions_may_ask_for_the_context() -> None:
    done: list[Any] = []
    own = {
        "pre_model_fn": lambda folder: done.append(("before", folder)),
        "model_fn": lambda folder, context: context.system_properties["model_dir"] + folder,
        "model_warmup_fn": lambda folder, model, context: done.append(("after", model, context)),
        "input_fn": lambda body, _type, context: body + context.get_request_header(0, "Accept"),
        "predict_fn": lambda data, model, context: f"{data} {model}",
        "output_fn": lambda prediction, accept, context: (
            f"{prediction} {context.system_properties['gpu_id']}"
        ),
    }
    answer = client_of(own).post(
        "/invocations", data="1", content_type=content.CSV, headers={"Accept": content.CSV}
    )
    assert answer.text == "1text/csv modelmodel None"
    assert [each[:2] for each in done] == [("before", "model"), ("after", "modelmodel")]
    own = {"model_fn": lambda _: 1, "transform_fn": lambda *given, **_: str(len(given))}
    assert invoke(client_of(own)).text == "4"
    own["transform_fn"] = lambda model, body, kind, accept, context: repr(context.headers)
    assert "'content-type': 'text/csv'" in invoke(client_of(own)).text


def test_handlers_may_answer_with_another_status() -> None:
    refused = Answer(b'{"error": "no"}', content.JSON, 404)
    answer = invoke(client_with(Handlers(lambda _folder: 1, lambda *_: refused)))
    assert (answer.status_code, answer.content_type, answer.json) == (
        404, content.JSON, {"error": "no"},
    )  # fmt: skip


def test_without_a_framework_what_is_missing_is_said() -> None:
    with pytest.raises(HandlerError, match="define model_fn"):
        handlers_plain.model_fn("/opt/ml/model")
    answer = invoke(client_of({"model_fn": lambda _folder: 1}))
    assert (answer.status_code, "define predict_fn" in answer.text) == (500, True)


def fail(error: BaseException) -> Any:
    def function(*_: Any) -> Any:
        raise error

    return function


@pytest.mark.parametrize(
    ("own", "status", "text"),
    [
        pytest.param(
            {"input_fn": fail(ValueError("odd"))}, 400, "input_fn: ValueError: odd", id="input"
        ),
        pytest.param({"predict_fn": fail(OSError("x\ny"))}, 500, "OSError: x", id="predict"),
        pytest.param({"predict_fn": fail(SystemExit(3))}, 500, "SystemExit: 3", id="exit"),
        pytest.param(
            {"predict_fn": fail(CancelledError())}, 500, "CancelledError:", id="a cancelled task"
        ),
        pytest.param({"predict_fn": fail(BadRequest("no"))}, 400, "no", id="a status of its own"),
        pytest.param({"output_fn": lambda *_: 3}, 500, "text or bytes, not int", id="no text"),
    ],
)
def test_errors_are_one_short_line(own: dict[str, Any], status: int, text: str) -> None:
    answer = invoke(client_of({**OWN, **own}))
    assert answer.status_code == status
    assert text in answer.text
    assert answer.mimetype == "text/plain"
    assert len(answer.text.splitlines()) == 1
    assert "Traceback" not in answer.text


def test_texts_reach_a_predict_fn_which_may_refuse_them() -> None:
    own = {**OWN, "predict_fn": lambda data, _: [len(name) * number for name, number in data]}
    assert invoke(client_of(own), "king,2\nab,1").text == "8.0\n2.0"
    answer = invoke(client_of(OWN), "1,x")
    assert (answer.status_code, answer.text[:10]) == (400, "predict_fn")
    own = {**OWN, "input_fn": lambda body, _: [body.split(",")]}
    assert invoke(client_of(own), "1,x").status_code == 500
    assert invoke(client_of({**OWN, "predict_fn": fail(ValueError("x"))})).status_code == 500


def test_a_long_error_is_cut() -> None:
    answer = invoke(client_of({**OWN, "predict_fn": fail(OSError("x" * 9000))}))
    assert len(answer.data) < 2048


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/ping", 200),
        ("POST", "/ping", 200),
        ("GET", "/invocations", 405),
        ("GET", "/", 404),
        ("POST", "/nope", 404),
        ("GET", "/execution-parameters", 200),
    ],
)
def test_routes(method: str, path: str, status: int) -> None:
    assert client_of(OWN).open(path, method=method).status_code == status


def test_execution_parameters_stay_below_the_limit_of_batch() -> None:
    parameters = client_of(OWN).get("/execution-parameters").json
    assert parameters == {
        "MaxConcurrentTransforms": 16,
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": 6,
    }


def test_ping_says_no_until_the_model_is_loaded_and_for_ever_when_it_is_not() -> None:
    left: list[bool] = []
    service = Service(
        fail(SystemExit(1)),
        give_up=lambda: left.append(True),
        readiness=Readiness(workers=1),
        meter=Meter(seats=1),
    )
    client = Client(service)
    assert client.get("/ping").status_code == 503
    service.load()
    assert (client.get("/ping").status_code, left) == (503, [True])


def test_no_worker_says_yes_before_every_worker_is_ready() -> None:
    """SERVE-03: which worker answers is chance, so a 200 must not be followed by a 503."""
    readiness = Readiness(workers=2)
    handlers = combine(vars(handlers_plain), OWN)
    one, two, replacement = (
        Service(
            lambda: (handlers, 1),
            give_up=lambda: None,
            readiness=readiness,
            meter=Meter(seats=1),
        )
        for _ in range(3)
    )
    one.load()
    assert [Client(each).get("/ping").status_code for each in (one, two)] == [503, 503]
    two.load()
    assert [Client(each).get("/ping").status_code for each in (one, two)] == [200, 200]
    assert Client(replacement).get("/ping").status_code == 200


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        pytest.param("é", ("é".encode(), "text/csv"), id="text"),
        pytest.param(b"\x00", (b"\x00", "text/csv"), id="bytes"),
        pytest.param(("x", "image/png"), (b"x", "image/png"), id="with a type"),
    ],
)
def test_results_of_output_fn(result: Any, expected: tuple[bytes, str]) -> None:
    answer = to_answer(result, "text/csv")
    assert (answer.body, answer.content_type) == expected


def test_the_users_script_is_found_where_sagemaker_puts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    logger = logging.getLogger("buildkit_runtime")
    monkeypatch.setattr(logger, "handle", lambda record: said.append(record.getMessage()))
    code = tmp_path / "code"
    code.mkdir()
    assert find_script({}, tmp_path) is None
    (code / "inference.py").touch()
    (code / "mine.py").touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.py").touch()
    assert find_script({}, tmp_path) == code / "inference.py"
    assert find_script({"SAGEMAKER_PROGRAM": '"mine.py"'}, tmp_path) == code / "mine.py"
    assert find_script({"SAGEMAKER_PROGRAM": "train.py"}, tmp_path) is None
    assert any("train.py (SAGEMAKER_PROGRAM) not found" in line for line in said)
    odd = {"SAGEMAKER_SUBMIT_DIRECTORY": "s3://bucket/x"}
    assert find_script(odd, tmp_path) == code / "inference.py"
    variables = {"SAGEMAKER_SUBMIT_DIRECTORY": str(elsewhere), "SAGEMAKER_PROGRAM": "mine.py"}
    assert find_script(variables, tmp_path) == elsewhere / "mine.py"


def test_models_of_an_endpoint_share_the_script_beside_them(tmp_path: Path) -> None:
    model, shared = tmp_path / "models" / "a" / "model", tmp_path / "models" / "code"
    for folder in (model / "code", shared):
        folder.mkdir(parents=True)
    (shared / "inference.py").touch()
    variables = {"SAGEMAKER_BASE_DIR": str(tmp_path)}
    assert find_script(variables, model) == shared / "inference.py"
    (model / "code" / "inference.py").touch()
    assert find_script(variables, model) == model / "code" / "inference.py"


def test_a_script_of_tensorflow_may_bring_its_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "model" / "code"
    package = code / "lib" / "brought_along"
    script = code / "inference.py"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("NUMBER = 3\n")
    (code / "requirements.txt").write_text("anything\n")
    script.write_text("from brought_along import NUMBER\n")
    assert library("sklearn", script) is None
    assert library("tensorflow", script) == code / "lib"
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert import_script(script, library("tensorflow", script)).NUMBER == 3
    installed = []
    monkeypatch.setattr(packages, "install_requirements", lambda each, *_: installed.append(each))
    for family in ("tensorflow", "sklearn"):
        serving.prepare({"SAGEMAKER_BASE_DIR": str(tmp_path), "BUILDKIT_HANDLERS": family})
    assert installed == [code]


@pytest.mark.parametrize(
    ("value", "expected"), [("3", 3), ("", 7), ("0", 7), ("-1", 7), ("many", 7), ("1.5", 7)]
)
def test_odd_settings_are_ignored(value: str, expected: int) -> None:
    assert serving.positive({"NAME": value}, "NAME", 7) == expected


def test_server_settings() -> None:
    variables = {"SAGEMAKER_BIND_TO_PORT": "8999", "SAGEMAKER_MODEL_SERVER_WORKERS": "3"}
    settings = serving.gunicorn_settings(variables)
    assert (settings["bind"], settings["workers"]) == ("0.0.0.0:8999", 3)
    assert serving.gunicorn_settings({})["bind"] == "0.0.0.0:8080"


def test_workers_that_fail_at_the_same_moment_still_end_the_server_with_a_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "")
    monkeypatch.setattr(serving, "Server", HaltingServer)
    assert serving.main() == 3


class HaltingServer:
    def __init__(self, *_: Any) -> None:
        pass

    def run(self) -> None:
        raise HaltServer("Worker failed to boot.", 3)


@pytest.fixture
def sklearn_handlers(monkeypatch: pytest.MonkeyPatch) -> Handlers:
    """The scikit-learn handlers with stand-ins for what they import, which the tests lack."""
    joblib, arrays = ModuleType("joblib"), ModuleType("buildkit_runtime.arrays")
    vars(joblib)["load"] = lambda path: Model(path.name)
    vars(arrays).update(input_fn=handlers_plain.input_fn, output_fn=handlers_plain.output_fn)
    monkeypatch.setitem(sys.modules, "joblib", joblib)
    for name in ("sklearn", "sklearn.base"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "buildkit_runtime.arrays", arrays)
    monkeypatch.delitem(sys.modules, "buildkit_runtime.handlers_sklearn", raising=False)
    return load_handlers("sklearn", None)


class Model:
    def __init__(self, name: str) -> None:
        self.name = name

    def predict(self, data: list[list[float]]) -> list[str]:
        if len(data[0]) != 2:
            raise ValueError("expecting 2 features\nand more")
        return [self.name for _ in data]


def test_sklearn_handlers_load_and_predict(sklearn_handlers: Handlers, tmp_path: Path) -> None:
    (tmp_path / "other.pkl").touch()
    model = sklearn_handlers.model_fn(str(tmp_path))
    assert model.model.name == "other.pkl"
    answer = sklearn_handlers.answer(model, Invocation(b"1,2\n3,4", "text/csv", None))
    assert answer.body == b"other.pkl\nother.pkl"
    with pytest.raises(BadRequest, match=r"expecting 2 features$"):
        sklearn_handlers.answer(model, Invocation(b"1", "text/csv", None))
    (tmp_path / "model.joblib").touch()
    assert sklearn_handlers.model_fn(str(tmp_path)).model.name == "model.joblib"


@pytest.mark.parametrize("names", [(), ("a.joblib", "b.pkl")])
def test_sklearn_handlers_say_what_they_expected(
    sklearn_handlers: Handlers, tmp_path: Path, names: tuple[str, ...]
) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(HandlerError, match=r"expected `model\.joblib`.*found"):
        sklearn_handlers.model_fn(str(tmp_path))


def test_what_was_imported_is_not_collected_again() -> None:
    serving.import_framework({})
    assert gc.get_freeze_count()
    gc.unfreeze()
