"""What TensorFlow Serving's contract and AWS's serving container take, as TensorFlow Serving's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from buildkit_runtime import rest
from buildkit_runtime.rest import Wanted
from werkzeug.exceptions import BadRequest, HTTPException, UnsupportedMediaType

from tests.support.waiting import QUADRATIC, growth

JSON = "application/json"


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        pytest.param("", Wanted(), id="nothing"),
        pytest.param("who=me, tfs-model-name=half", Wanted("half"), id="a model among others"),
        pytest.param(
            "tfs-model-name=half,tfs-model-version=2,tfs-method=regress",
            Wanted("half", "2", "regress"),
            id="all",
        ),
    ],
)
def test_custom_attributes(header: str, wanted: Wanted) -> None:
    assert rest.of_attributes(header) == wanted


@pytest.mark.parametrize(
    "wanted", [Wanted("half"), Wanted("half", "12"), Wanted("a-b_c", "1", "classify")]
)
def test_a_path_says_the_same_as_what_it_was_made_of(wanted: Wanted) -> None:
    assert rest.of_path(wanted.path) == wanted


@pytest.mark.parametrize("path", ["/v1/models/half", "/v1/models/half/versions/x:predict", "/"])
def test_other_paths(path: str) -> None:
    assert rest.of_path(path) is None


@pytest.mark.parametrize(
    ("content_type", "body", "instances"),
    [
        pytest.param("text/csv", "1", [1.0], id="CSV, one value"),
        pytest.param("text/csv", "1\n2\n5\n", [1.0, 2.0, 5.0], id="CSV, one column"),
        pytest.param("text/csv", "1,2\r\n3,4", [[1.0, 2.0], [3.0, 4.0]], id="CSV, two columns"),
        pytest.param("text/csv", 'a,"b, c"\n', [["a", "b, c"]], id="CSV of texts"),
        pytest.param(JSON, "[1, 2]", [[1, 2]], id="a list is one instance"),
        pytest.param(JSON, "[[1], [2]]", [[1], [2]], id="a list of lists are instances"),
        pytest.param(JSON, '{"x": 1}', [{"x": 1}], id="an object is one instance"),
        pytest.param(JSON, "[1]\n[2]", [[1], [2]], id="several documents"),
        pytest.param("application/jsonlines", '{"x": 1}\n{"x": 2}\n', [{"x": 1}, {"x": 2}], id="lines"),
        pytest.param("application/jsons", "[1][2]", [[1], [2]], id="documents side by side"),
    ],
)  # fmt: skip
def test_what_is_sent_becomes_instances(content_type: str, body: str, instances: Any) -> None:
    assert rest.to_request(body.encode(), content_type) == {"instances": instances}


@pytest.mark.parametrize("key", ["instances", "inputs", "examples"])
def test_a_request_of_tensorflow_serving_stays_as_it_is(key: str) -> None:
    request = {key: [1], "signature_name": "s"}
    assert rest.to_request(json.dumps(request).encode(), JSON) == request


@pytest.mark.parametrize(
    ("content_type", "body", "kind"),
    [
        pytest.param(JSON, b"", BadRequest, id="empty"),
        pytest.param(JSON, b"{", BadRequest, id="no JSON"),
        pytest.param(JSON, b"\xff", BadRequest, id="no text"),
        pytest.param(JSON, b"[" * 100_000, BadRequest, id="too deep"),
        pytest.param("text/csv", b"1\r2", BadRequest, id="an end of line of its own"),
        pytest.param("text/csv", b"\n\n", BadRequest, id="no rows"),
        pytest.param("image/png", b"1", UnsupportedMediaType, id="another type"),
    ],
)
def test_what_cannot_be_read(content_type: str, body: bytes, kind: type[HTTPException]) -> None:
    with pytest.raises(kind):
        rest.to_request(body, content_type)


def test_an_answer_and_a_refusal_are_documents() -> None:
    def serve(wanted: Wanted, request: Any) -> dict[str, Any]:
        if wanted.model:
            raise BadRequest("not that one")
        return {"predictions": request["instances"]}

    assert rest.answer(serve, Wanted(), b"[[1]]", JSON) == ({"predictions": [[1]]}, 200)
    assert rest.answer(serve, Wanted("x"), b"[[1]]", JSON) == ({"error": "not that one"}, 400)
    assert rest.answer(serve, Wanted(), b"", JSON) == ({"error": "the document is empty"}, 400)
    assert rest.answer(serve, None, b"[[1]]", JSON) == ({"error": "no such path"}, 404)


def test_many_documents_cost_no_more_than_each_of_them() -> None:
    lines = [[number] for number in range(100_000)]
    texts = [json.dumps(line) for line in lines]

    def read(count: int) -> None:
        body = "\n".join(texts[:count]).encode()
        assert rest.to_request(body, "application/jsonlines") == {"instances": lines[:count]}

    assert growth(read, 10_000) < QUADRATIC / 2


def test_bytes_travel_as_base64() -> None:
    def read(body: str) -> Any:
        return rest.to_request(body.encode(), JSON)

    assert read('{"inputs": [{"b64": "aGk="}, "hi"]}') == {"inputs": [b"hi", "hi"]}
    assert read('[{"x": {"b64": "aGk="}}]') == {"instances": [[{"x": b"hi"}]]}
    assert read('{"b64": "aGk="}') == {"instances": [b"hi"]}
    assert rest.encoded([b"hi", 1.5], as_bytes=True) == [{"b64": "aGk="}, 1.5]
    assert rest.encoded([[b"hi"]], as_bytes=False) == [["hi"]]
    for wrong in ('{"b64": "?"}', '{"b64": 1}'):
        with pytest.raises(BadRequest, match="is not base64"):
            read(wrong)
