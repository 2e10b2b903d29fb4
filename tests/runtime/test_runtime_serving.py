"""`serve` as a process."""

from __future__ import annotations

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import TYPE_CHECKING, Callable

import pytest

from tests.runtime.runtime_harness import (
    Reply,
    Running,
    Tree,
    answers_ping_while_they_wait,
    connections,
)
from tests.support.waiting import HANG, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

pytestmark = pytest.mark.process

Serve = Callable[..., Running]

INFERENCE = """
import time
from pathlib import Path
import helper

def model_fn(model_dir):
    while (Path(model_dir) / "hold").exists():
        time.sleep(0.02)
    return float((Path(model_dir) / "factor").read_text())

def predict_fn(data, model):
    if data[0][0] == 666:
        raise RuntimeError("evil")
    if data[0][0] < 0:
        Path(helper.MARK).touch()
        while not Path(helper.MARK + ".ends").exists():
            time.sleep(0.02)
    return [sum(row) * model for row in data]
"""


@pytest.fixture
def mark(tree: Tree) -> Path:
    """A file the model makes when a slow prediction has begun. `end` lets it end."""
    path = tree.base / "predicting"
    tree.write("model/factor", "10")
    tree.write("model/code/inference.py", INFERENCE)
    tree.write("model/code/helper.py", f"MARK = {str(path)!r}\n")
    return path


def end(mark: Path) -> None:
    mark.with_suffix(".ends").touch()


@pytest.fixture
def server(serve: Serve, mark: Path) -> Running:
    assert not mark.exists()
    running = serve()
    running.wait_for_ping(200)
    return running


def test_a_life_of_good_and_bad_requests(server: Running) -> None:
    def good() -> None:
        reply = server.invoke("1,2\n3,4", "text/csv; charset=utf-8")
        assert (reply.status, reply.body, reply.content_type) == (200, b"30.0\n70.0", "text/csv")

    good()
    assert server.request("POST", "/ping").status == 200
    assert server.request("GET", "/nope").status == 404
    parameters = server.request("GET", "/execution-parameters")
    assert json.loads(parameters.body)["MaxConcurrentTransforms"] == 1
    reply = server.invoke('{"instances": [[1, 2]]}', "application/json", "*/*")
    assert (reply.text, reply.content_type) == ("[30.0]", "application/json")
    assert server.invoke("[1]", "application/json", "text/csv").text == "10.0"
    assert server.invoke("[1]", "application/jsonlines").text == '{"prediction": 10.0}'
    for status, bad in bad_replies(server):
        assert bad.status == status
        assert len(bad.body) < 2048
        assert b"Traceback" not in bad.body
        good()
    assert "RuntimeError: evil" in server.log.read_text()


def bad_replies(server: Running) -> Iterable[tuple[int, Reply]]:
    yield 400, server.invoke("", "text/csv")
    yield 400, server.invoke(os.urandom(1024 * 1024), "text/csv")
    yield 400, server.invoke('{"instances": [[1, 2', "application/json")
    yield 415, server.invoke("1,2", "image/png")
    yield 415, server.request("POST", "/invocations", b"1,2")
    yield 406, server.invoke("1,2", "text/csv", "image/png")
    yield 500, server.invoke("666", "text/csv")
    yield 405, server.request("GET", "/invocations")


def test_large_chunked_expected_and_aborted_bodies(server: Running) -> None:
    large = b"1" * (25 * 1024 * 1024)
    assert server.invoke(b"x" + large, "text/csv").status == 400
    chunks = iter([b"1,2\n", b"3,4\n"])
    headers = {"Content-Type": "text/csv"}
    assert server.request("POST", "/invocations", chunks, headers).body == b"30.0\n70.0"
    with socket.create_connection(("127.0.0.1", server.port), timeout=HANG) as connection:
        connection.sendall(
            b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
            b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(b"1,2")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    with socket.create_connection(("127.0.0.1", server.port), timeout=HANG) as connection:
        connection.sendall(b"POST /invocations HTTP/1.1\r\nContent-Length: 999\r\n\r\n1,2")
    assert server.invoke("1,2", "text/csv").status == 200


def test_ping_is_quick_while_more_predictions_wait_than_there_are_threads(
    server: Running, mark: Path
) -> None:
    with ThreadPoolExecutor(50) as pool:
        slow = [pool.submit(server.invoke, "-1.5", "text/csv") for _ in range(50)]
        wait_until(mark.exists, server.log.read_text)
        with socket.create_connection(("127.0.0.1", server.port), timeout=HANG) as idle:
            answers_ping_while_they_wait(server, slow)
            idle.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(100).startswith(b"HTTP/1.1 200")
        end(mark)
        assert [reply.result().status for reply in slow] == [200] * 50


def test_a_request_in_flight_outlives_the_stop_signal(server: Running, mark: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(server.invoke, "-1.5", "text/csv")
        wait_until(mark.exists, server.log.read_text)
        server.process.terminate()
        wait_until(lambda: "Handling signal: term" in server.log.read_text())
        end(mark)
        assert slow.result().body == b"-15.0"
    assert server.process.wait(timeout=HANG) == 0


@pytest.mark.usefixtures("mark")
def test_requests_wait_and_ping_says_no_while_the_model_loads(tree: Tree, serve: Serve) -> None:
    hold = tree.write("model/hold", "")
    running = serve()
    running.wait_for_ping(503)
    with ThreadPoolExecutor(1) as pool:
        early = pool.submit(running.invoke, "1", "text/csv")
        wait_until(lambda: connections(running.port) == 1)
        assert not early.done()
        hold.unlink()
        assert early.result().body == b"10.0"
    assert running.ping() == 200


def test_nothing_is_written_beside_the_model_or_into_the_home_folder(
    tree: Tree, serve: Serve, mark: Path
) -> None:
    before = sorted((tree.base / "model").rglob("*"))
    home = tree.base / "home"
    home.mkdir()
    running = serve(SAGEMAKER_MODEL_SERVER_WORKERS="2", HOME=str(home))
    running.wait_for_ping(200)
    end(mark)
    assert running.invoke("-1", "text/csv").status == 200
    assert mark.exists()
    running.process.terminate()
    assert running.process.wait(timeout=HANG) == 0
    assert sorted((tree.base / "model").rglob("*")) == before
    assert [*home.iterdir()] == []


@pytest.mark.parametrize("end", ["os._exit(0)", "os._exit(3)", "os.kill(os.getpid(), 9)"])
def test_a_worker_that_dies_while_it_loads_ends_the_server(
    tree: Tree, serve: Serve, end: str
) -> None:
    tree.write("model/code/inference.py", f"import os\ndef model_fn(folder):\n    {end}\n")
    running = serve(SAGEMAKER_MODEL_SERVER_WORKERS="2")
    assert running.process.wait(timeout=HANG) == 1
    log = running.log.read_text()
    assert "a worker ended before its model was loaded" in log
    assert log.count("Booting worker") == 2


@pytest.mark.parametrize("code", [0, 1, 3, 4])
def test_a_worker_that_dies_later_is_replaced(
    tree: Tree, serve: Serve, mark: Path, code: int
) -> None:
    dies = INFERENCE.replace('raise RuntimeError("evil")', f"import os; os._exit({code})")
    tree.write("model/code/inference.py", dies)
    assert not mark.exists()
    running = serve()
    running.wait_for_ping(200)
    with pytest.raises((OSError, HTTPException)):
        running.invoke("666", "text/csv")
    wait_until(lambda: running.log.read_text().count("Booting worker") == 2)
    assert running.invoke("1", "text/csv").body == b"10.0"
    running.process.terminate()
    assert running.process.wait(timeout=HANG) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("model/factor", "could not convert string", id="corrupt model"),
        pytest.param("model/code/inference.py", "SyntaxError", id="corrupt script"),
    ],
)
@pytest.mark.usefixtures("mark")
def test_a_model_that_cannot_be_loaded_ends_the_server(
    tree: Tree, serve: Serve, name: str, reason: str, workers: str
) -> None:
    tree.write(name, "def (")
    running = serve(SAGEMAKER_MODEL_SERVER_WORKERS=workers)
    assert running.process.wait(timeout=HANG) == 1
    log = running.log.read_text()
    assert "the model cannot be loaded" in log
    assert reason in log


def test_odd_settings_do_not_keep_the_server_from_starting(serve: Serve, mark: Path) -> None:
    assert not mark.exists()
    running = serve(
        SAGEMAKER_PROGRAM="train.py",
        SAGEMAKER_SUBMIT_DIRECTORY="bucket/x",
        SAGEMAKER_CONTAINER_LOG_LEVEL="INFO",
        SAGEMAKER_MODEL_SERVER_TIMEOUT="soon",
        SAGEMAKER_MODEL_SERVER_WORKERS="all",
    )
    # The only odd one with an effect: there is no train.py, so nothing says how to load.
    assert running.process.wait(timeout=HANG) == 1
    log = running.log.read_text()
    assert "is not a positive number" in log
    assert "define model_fn" in log


def test_a_script_in_s3_that_cannot_be_had_ends_the_server(serve: Serve, mark: Path) -> None:
    assert not mark.exists()
    running = serve(
        SAGEMAKER_PROGRAM="train.py",
        SAGEMAKER_SUBMIT_DIRECTORY="s3://bucket/sourcedir.tar.gz",
        S3_ENDPOINT_URL="http://127.0.0.1:9",
        AWS_ACCESS_KEY_ID="id",
        AWS_SECRET_ACCESS_KEY="key",
    )
    assert running.process.wait(timeout=HANG) == 1
    assert "cannot download s3://bucket/sourcedir.tar.gz: Could not" in running.log.read_text()


def test_a_self_contained_handler_needs_no_model_folder(
    tree: Tree, serve: Serve, tmp_path: Path
) -> None:
    script = tmp_path / "program" / "inference.py"
    script.parent.mkdir()
    script.write_text("def model_fn(model_dir): return 1\ndef transform_fn(*_): return 'yes'\n")
    running = serve(SAGEMAKER_SUBMIT_DIRECTORY=str(script.parent))
    running.wait_for_ping(200)
    assert running.invoke("x", "text/plain").text == "yes"
    assert not tree.exists("model")
