"""The bare-contract example, as processes."""

from __future__ import annotations

import shutil
from typing import Callable

import pytest

from tests.runtime.runtime_harness import EXAMPLES, Finished, Running, Tree
from tests.support.waiting import HANG, wait_until

pytestmark = pytest.mark.process

TRAIN, SERVE = EXAMPLES / "basic" / "train", EXAMPLES / "basic" / "serve"
IRIS = EXAMPLES / "iris"

Train = Callable[..., Finished]


@pytest.fixture
def trained(tree: Tree, train: Train) -> Finished:
    shutil.copytree(IRIS / "training", tree.base / "input/data/training")
    tree.write("output/failure", "of an earlier start")
    tree.hyperparameters(scale="2", unknown='"x"')
    return train(TRAIN)


def test_train_writes_a_model_and_a_metric(tree: Tree, trained: Finished) -> None:
    assert trained.code == 0, trained.stderr
    assert trained.stdout == "accuracy=0.9267\n"
    assert tree.exists("model/model.json")
    assert not tree.exists("output/failure")


@pytest.mark.parametrize("rows", [None, "0,1,x\n"])
def test_train_fails_with_a_reason(tree: Tree, train: Train, rows: str | None) -> None:
    if rows:
        tree.write("input/data/training/rows.csv", rows)
    assert train(TRAIN).code == 1
    reason = "ValueError: could not convert" if rows else "FileNotFoundError: no rows in"
    assert tree.read("output/failure").startswith(reason)


def test_train_never_ends_as_success_when_output_cannot_be_written(
    tree: Tree, train: Train
) -> None:
    tree.write("output", "a file in place of the folder")
    assert train(TRAIN).code == 1


@pytest.mark.usefixtures("trained")
def test_serve_answers_and_survives_bad_input(serve: Callable[..., Running]) -> None:
    running = serve(SERVE)
    running.wait_for_ping(200)
    for _ in range(2):
        for kind, content_type in (("csv", "text/csv"), ("json", "application/json")):
            body = (IRIS / f"payload.{kind}").read_bytes()
            reply = running.invoke(body, content_type + "; charset=utf-8", "*/*")
            assert (reply.status, reply.content_type) == (200, content_type)
            assert reply.text == (IRIS / f"expected.{kind}").read_text().rstrip("\n")
        for body in (b"", b"1,2", b"\xff", b"a,b,c,d"):
            assert running.invoke(body, "text/csv").status == 400
        for body in (b"{", b"{}", b"3", b"[3]", b'{"instances": null}', b"[[null]]"):
            assert running.invoke(body, "application/json").status == 400
    assert running.invoke("1", "image/png").status == 415
    assert running.invoke("1,2,3,4", "text/csv", "image/png").status == 406
    assert running.invoke("1,2,3,4", "text/csv", "application/json").text == "[1]"
    assert running.request("GET", "/nope").status == 404
    running.process.terminate()
    assert running.process.wait(timeout=HANG) == 0


def test_serve_without_a_model_ends_with_a_reason(serve: Callable[..., Running]) -> None:
    running = serve(SERVE)
    assert running.process.wait(timeout=HANG) == 1
    wait_until(lambda: "cannot load the model" in running.log.read_text())
