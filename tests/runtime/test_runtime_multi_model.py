"""A multi-model endpoint as a process."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Callable

import pytest

from tests.runtime.runtime_harness import answers_ping_while_they_wait

if TYPE_CHECKING:
    from tests.runtime.runtime_harness import Reply, Running, Tree

pytestmark = pytest.mark.process

INFERENCE = """
import os, time, helper

def model_fn(model_dir):
    return helper.FACTOR

def predict_fn(data, model):
    if data[0][0] == 666:
        os._exit(1)
    if data[0][0] == 400:
        from werkzeug.exceptions import ImATeapot
        raise ImATeapot("no tea")
    if data[0][0] < 0:
        while not os.path.exists(helper.ENDS):
            time.sleep(0.02)
    return [sum(row) * model for row in data]
"""


@pytest.fixture
def server(tree: Tree, serve: Callable[..., Running]) -> Running:
    for name, factor in (("a", 10), ("b", 100)):
        tree.write(f"models/{name}/model/code/inference.py", INFERENCE)
        tree.write(
            f"models/{name}/model/code/helper.py",
            f"FACTOR = {factor}\nENDS = {str(tree.base / 'ends')!r}",
        )
    for name, end in (("crashes", "os._exit(0)"), ("starves", "os.kill(os.getpid(), 9)")):
        tree.write(f"models/{name}/model/code/inference.py", f"import os\n{end}\n")
    tree.write("models/broken/model/code/inference.py", "raise RuntimeError('nothing works')")
    running = serve(SAGEMAKER_MULTI_MODEL="true")
    running.wait_for_ping(200)
    return running


def url(server: Running, tree: Tree, name: str) -> str:
    return str(tree.base / "models" / name / "model")


def load(server: Running, tree: Tree, name: str) -> Reply:
    body = json.dumps({"model_name": name, "url": url(server, tree, name)})
    return server.request("POST", "/models", body, {"Content-Type": "application/json"})


def invoke(server: Running, name: str, body: str = "1,2") -> Reply:
    headers = {"Content-Type": "text/csv"}
    return server.request("POST", f"/models/{name}/invoke", body, headers)


def test_models_come_and_go_and_do_not_see_each_other(server: Running, tree: Tree) -> None:
    assert json.loads(server.request("GET", "/models").text) == {"models": []}
    assert invoke(server, "a").status == 404
    assert [load(server, tree, name).status for name in ("a", "b", "a")] == [200, 200, 409]
    listed = json.loads(server.request("GET", "/models").text)["models"]
    assert [each["modelName"] for each in listed] == ["a", "b"]
    assert listed[0]["modelUrl"] == url(server, tree, "a")
    assert (invoke(server, "a").text, invoke(server, "b").text) == ("30.0", "300.0")
    assert server.request("GET", "/models/a").status == 200
    assert server.request("DELETE", "/models/a").status == 200
    assert server.request("DELETE", "/models/a").status == 404
    assert server.request("GET", "/models/a").status == 404
    assert (invoke(server, "a").status, invoke(server, "b").status) == (404, 200)
    assert load(server, tree, "a").status == 200


def test_mistakes_have_their_codes(server: Running, tree: Tree) -> None:
    assert load(server, tree, "broken").status == 500
    assert "nothing works" in load(server, tree, "broken").text
    assert server.request("POST", "/models", "{}").status == 400
    assert server.request("POST", "/models", "no JSON").status == 400
    assert server.request("PUT", "/models").status == 405
    assert server.request("GET", "/models?next_page_token=x").status == 400
    assert server.request("GET", "/nothing").status == 404
    assert load(server, tree, "a").status == 200
    assert invoke(server, "a", "x").status == 400
    assert invoke(server, "a", "400").status == 418


def test_a_model_that_crashes_while_it_loads_is_not_one_for_which_memory_is_short(
    server: Running, tree: Tree
) -> None:
    """507 makes the service unload others (MME-02)."""
    found = {name: load(server, tree, name) for name in ("crashes", "starves")}
    assert {name: reply.status for name, reply in found.items()} == {"crashes": 500, "starves": 507}
    assert "its process ended with 0" in found["crashes"].text
    assert load(server, tree, "a").status == 200


def test_a_model_that_dies_takes_no_other_with_it(server: Running, tree: Tree) -> None:
    assert [load(server, tree, name).status for name in ("a", "b")] == [200, 200]
    assert invoke(server, "a", "666").status == 500
    assert invoke(server, "a").status == 404
    assert (server.ping(), invoke(server, "b").status) == (200, 200)
    assert load(server, tree, "a").status == 200


def test_ping_is_quick_while_many_wait_for_one_model(server: Running, tree: Tree) -> None:
    assert load(server, tree, "a").status == 200
    with ThreadPoolExecutor(50) as pool:
        slow = [pool.submit(invoke, server, "a", "-1") for _ in range(50)]
        answers_ping_while_they_wait(server, slow)
        tree.write("ends", "")
        assert [reply.result().status for reply in slow] == [200] * 50
