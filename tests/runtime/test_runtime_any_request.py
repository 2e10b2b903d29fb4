"""Whatever is sent or predicted is answered, or refused by a message that says whose mistake it is."""

from __future__ import annotations

import dataclasses
import enum
import json
import warnings
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from buildkit_runtime import arrays, handlers, handlers_plain, wsgi
from buildkit_runtime.content import CSV, JSON, JSON_LINES, NPY
from buildkit_runtime.invocation import Invocation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import BadRequest
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from tests.runtime.predictions import Colour, nested
from tests.support.thorough import THOROUGH

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

MANY = settings(
    max_examples=150 if THOROUGH else 50,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
OK, SERVER = 200, 500
TYPES = (CSV, JSON, JSON_LINES, NPY)
# What Python says of its own limits, and not of a request or a prediction.
BARE = ("Recursion", "Unicode", "Index", "Attribute", "Overflow", "Memory", "Assertion", "Value")


@dataclasses.dataclass
class Point:
    x: int = 1


class Plain(enum.Enum):
    A = 1


def circle() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def service(family: ModuleType | Any, predict_fn: Callable[..., Any]) -> Client:
    """A server with the default functions of a family around a `predict_fn`."""
    defaults = {
        "model_fn": lambda _folder: None,
        "input_fn": family.input_fn,
        "predict_fn": predict_fn,
        "output_fn": family.output_fn,
    }
    functions = handlers.combine(defaults, {})
    loaded = functions.model_fn("/")

    def invoke(request: Request) -> Response:
        found = functions.answer(loaded, Invocation.of(request, ""))
        return Response(found.body, found.status, content_type=found.content_type)

    return Client(wsgi.Application([("/invocations", ("POST",), invoke)]))


def post(client: Client, data: bytes, content_type: str, accept: str = "") -> tuple[int, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old codecs
        found = client.post(
            "/invocations", data=data, headers={"Content-Type": content_type, "Accept": accept}
        )
    return found.status_code, found.get_data().decode("utf-8", "replace")


def is_clear(message: str) -> bool:
    name = message.removeprefix("input_fn: ").partition(":")[0]
    return bool(message.strip()) and not (name.endswith("Error") and name.startswith(BARE))


# Drawn by number: not all of them can be printed.
ODD: tuple[Any, ...] = (
    10**5000, 2**53 + 1, 1j, Decimal(1), object(), len, ValueError("x"), Point(), Colour.RED, Plain.A, Plain,
    {1}, range(3), memoryview(b"a"), bytearray(b"a"), np.longdouble("0.1"), np.void(b"ab"),
    np.timedelta64(1, "D"), np.datetime64("NaT", "D"), np.str_("a"), np.ma.masked, np.ma.array([1, 2], mask=[False, True]),
    np.zeros(2, dtype=[("a", "i4"), ("b", "O")]), nested(50), nested(5000), circle(),
    np.array([1, "a", None], dtype=object), np.zeros((0, 2)),
)  # fmt: skip
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.binary(max_size=4)
    | st.sampled_from(range(len(ODD))).map(ODD.__getitem__),
    lambda inner: st.lists(inner, max_size=3)
    | st.lists(inner, max_size=3).map(tuple)
    | st.dictionaries(st.text(max_size=2) | st.integers() | st.none() | st.tuples(), inner, max_size=2),
    max_leaves=8,
)  # fmt: skip
CHARSETS = st.sampled_from(
    [
        "utf-8", "UTF8", "utf-8-sig", "utf-16", "utf-32-be", "utf-7", "latin-1", "ascii", "cp037", "idna",
        "punycode", "rot13", "base64", "hex", "bz2", "zlib", "undefined", "unicode_escape", "mbcs",
        "raw_unicode_escape", "", "x", "../x", "a.b", "a" * 5000,
    ]
) | st.text(max_size=8)  # fmt: skip
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["instances", "features", "a"]), inner, max_size=2)
    ),
    max_leaves=8,
)
BODIES = (
    st.binary(max_size=40)
    | st.text(st.sampled_from('01.,;\t\n\r"aé-[]{}:nul e\0'), max_size=40).map(str.encode)
    | st.binary(max_size=20).map(lambda end: b"\x93NUMPY\x01\x00" + end)
    | DOCUMENTS.map(lambda value: json.dumps(value).encode())
)
HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20)
FAMILIES = st.sampled_from([handlers_plain, arrays])


@MANY
@given(FAMILIES, BODIES, st.sampled_from(TYPES), CHARSETS)
def test_every_body_is_read_or_refused(
    family: Any, body: bytes, media_type: str, charset: str
) -> None:
    def predict_fn(data: Any, _model: Any) -> Any:
        return data.tolist() if isinstance(data, np.ndarray) else data

    client = service(family, predict_fn)
    quoted = charset.replace("\\", "").replace('"', "").replace("\r", "").replace("\n", "")
    found, text = post(client, body, f'{media_type}; charset="{quoted}"', JSON)
    assert found < SERVER, text
    assert found == OK or is_clear(text), text


@MANY
@given(FAMILIES, VALUES, st.sampled_from(TYPES))
def test_every_prediction_is_answered_or_refused(family: Any, value: Any, accept: str) -> None:
    found, text = post(service(family, lambda _data, _model: value), b"1", CSV, accept)
    assert found == OK or is_clear(text), text


@MANY
@given(HEADER, HEADER)
def test_every_header_is_understood_or_refused(content_type: str, accept: str) -> None:
    client = service(handlers_plain, lambda _data, _model: [1])
    for types in ((CSV, accept), (content_type, ""), (CSV, f"text/csv;{accept}")):
        found, text = post(client, b"1", *types)
        assert found < SERVER, text


@pytest.mark.parametrize(
    ("body", "content_type", "status", "message"),
    [
        pytest.param(b"1", 'text/csv; charset="ut\0f"', 415, "unknown charset", id="NUL"),
        pytest.param(
            b"1", "text/csv; charset=rot13", 415, "unknown charset rot13", id="no charset"
        ),
        pytest.param(
            b"xn--" + b"9" * 9, "text/csv; charset=idna", 400, "is not idna text", id="idna"
        ),
        pytest.param(b"-\x80", "text/csv; charset=punycode", 400, "not punycode", id="punycode"),
        pytest.param(
            b"x", "text/csv; charset=undefined", 400, "not undefined text", id="undefined"
        ),
        pytest.param(b"[" * 700 + b"1" + b"]" * 700, JSON, 400, "nested deeper", id="deep"),
        pytest.param(b"[" * 40 + b"1" + b"]" * 40, JSON, 400, "nested deeper", id="for numpy"),
        pytest.param(b"[" + b"9" * 400 + b"]", JSON, 400, "too large", id="a huge number"),
        pytest.param(b"PK\x03\x04", NPY, 400, "not an npy array", id="a cut npz"),
    ],
)
def test_mistakes_of_clients_are_named(
    body: bytes, content_type: str, status: int, message: str
) -> None:
    client = service(arrays, lambda data, _model: data)
    found, text = post(client, body, content_type)
    assert (found, message in text) == (status, True), text


@pytest.mark.parametrize("accept", [CSV, JSON, JSON_LINES])
@pytest.mark.parametrize("family", [handlers_plain, arrays])
@pytest.mark.parametrize(
    ("value", "name"),
    [
        pytest.param(ValueError("x"), "ValueError", id="an exception"),
        pytest.param(len, "builtin_function_or_method", id="a function"),
        pytest.param(object(), "object", id="an object"),
        pytest.param(Point(), "Point", id="a dataclass"),
        pytest.param(Plain.A, "Plain", id="a member of an enum"),
    ],
)
def test_what_has_no_text_is_refused_in_every_type(
    family: Any, accept: str, value: Any, name: str
) -> None:
    for prediction in (value, [value], [[value, 1]], [{"a": value}], [[1], [value, 2]]):
        found, text = post(service(family, lambda *_: prediction), b"1", CSV, accept)  # noqa: B023
        assert (found, text) == (500, f"TypeError: cannot answer with a value of type {name}")


@pytest.mark.parametrize("accept", [JSON, JSON_LINES])
@pytest.mark.parametrize("prediction", [bytearray(b"a"), [bytearray(b"a")], {"a": bytearray(b"a")}])
def test_json_refuses_a_bytearray(accept: str, prediction: Any) -> None:
    for family in (handlers_plain, arrays):
        found, text = post(service(family, lambda *_: prediction), b"1", CSV, accept)
        assert (found, "of type bytearray" in text) == (500, True)


@pytest.mark.parametrize("accept", [CSV, JSON, JSON_LINES])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(nested(50_000), "nested so deeply", id="deep"),
        pytest.param(circle(), "Circular reference", id="a list in itself"),
        pytest.param([10**5000], "4300", id="a huge number"),
    ],
)
def test_what_python_cannot_write_is_named(accept: str, value: Any, message: str) -> None:
    for family in (handlers_plain, arrays):
        found, text = post(service(family, lambda *_: value), b"1", CSV, accept)
        assert (found, text.startswith("TypeError: cannot answer with")) == (500, True), text
        assert message in text


def test_half_a_character_is_named() -> None:
    for family in (handlers_plain, arrays):
        client = service(family, lambda *_: ["\ud800"])
        expected = "HandlerError: cannot answer with '\\ud800', an unpaired surrogate"
        assert post(client, b"1", CSV, CSV) == (500, expected)
        assert post(client, b"1", CSV, JSON) == (200, '["\\ud800"]')


@pytest.mark.parametrize("message", ["", " ", "\ud800\nmore"])
def test_refusals_are_sent_whatever_they_say(message: str) -> None:
    def fail(_request: Request) -> Response:
        raise BadRequest(message)

    found = Client(wsgi.Application([("/", ("POST",), fail)])).post("/")
    assert (found.status_code, found.get_data(as_text=True)) in [
        (400, "Bad Request"), (400, "\\ud800"),
    ]  # fmt: skip
