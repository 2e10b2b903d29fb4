"""The default `output_fn` of images with a framework, beside the answers of AWS's encoders.

`aws_encoder.json` has what they answered to each of `predictions()`: JSON and CSV of
sagemaker-inference 1.10.1, CSV of sagemaker-containers 2.8.6, which scikit-learn, XGBoost and
Chainer use; the type and the shape of an npy array. null is a refusal. A difference that is not
in docs/reference/images.md is a mistake.
"""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from buildkit_runtime import arrays
from buildkit_runtime.content import CSV, JSON, JSON_LINES, NPY
from werkzeug.exceptions import BadRequest, NotAcceptable

from tests.runtime.predictions import Colour, predictions

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWERS = json.loads(Path(__file__).with_name("aws_encoder.json").read_text(encoding="utf-8"))
PREDICTIONS = dict(predictions())
# A cell that holds a list or an object is JSON text; AWS writes what Python or numpy prints.
NESTED = ("deep", "3-d", "objects")
# A text with a return is quoted, an exception is refused, members of enums are their values.
OTHERWISE = ("a return", "an exception", "an enum of texts", "a set")
# No double holds them; AWS sends the one next to it.
DIGITS = ("beside a float: beyond doubles", "beside a float: uint64")
MASKED = ("masked", "masked floats", "masked rows", "a masked value")
# sagemaker-inference writes None, quotes nothing, and has a form of its own for complex numbers.
COMPLEX = ("a complex", "complex64", "complex128")
UNQUOTED = ("null", "no text", "a comma", "a quote", "two lines", *COMPLEX)


NOT_NPY = "the body is not an npy array"


def encoded(prediction: Any, accept: str) -> Any:
    try:
        return arrays.output_fn(prediction, accept)
    except (TypeError, NotAcceptable):
        return None


def parts(name: str) -> tuple[str, str]:
    container, _, value = name.partition(": ")
    return container, value


def test_the_table_has_every_prediction() -> None:
    assert list(ANSWERS) == list(PREDICTIONS)


def test_json_is_what_aws_answers() -> None:
    different = {}
    for name, (aws, *_) in ANSWERS.items():
        ours = encoded(PREDICTIONS[name], JSON)
        if ours != aws:
            different[name] = (ours, aws)
    # What can be iterated is a list here; AWS refuses it.
    assert {parts(name)[1] for name in different} == {"a set"}
    assert all(aws is None for _, aws in different.values())


def test_csv_is_what_aws_answers() -> None:
    """Less the last newline; what AWS refuses is a text, unless only an address could be told."""
    different, refused = {}, []
    for name, (_, _, aws, _) in ANSWERS.items():
        ours = encoded(PREDICTIONS[name], CSV)
        if ours is None:
            refused.append(name)
        elif aws is not None and ours.rstrip("\n") != aws.rstrip("\n"):
            different[name] = (ours, aws)
    assert {parts(name)[1] or name for name in refused} == {
        "an exception",
        "object by a number of numpy",
    }
    left = [name for name in different if parts(name)[0] not in NESTED]
    # sagemaker-inference writes a structured array as here.
    expected = (*DIGITS, *MASKED, "structured")
    assert [name for name in left if parts(name)[1] not in OTHERWISE] == sorted(
        expected, key=list(ANSWERS).index
    )


def test_csv_of_tensors_is_what_aws_answers() -> None:
    """Where there is nothing to quote and nothing is missing."""
    different = {}
    for name, (_, aws, _, _) in ANSWERS.items():
        ours = encoded(PREDICTIONS[name], CSV)
        if None not in (aws, ours) and ours.rstrip("\n") != aws.rstrip("\n"):
            different[name] = (ours, aws)
    left = [name for name in different if parts(name)[0] not in (*NESTED, "beside null")]
    assert [name for name in left if parts(name)[1] not in (*UNQUOTED, *OTHERWISE)] == [
        *DIGITS,
        *MASKED,
    ]


def test_npy_is_what_aws_answers_unless_that_is_a_pickle_or_loses_values() -> None:
    """AWS makes texts of numbers beside texts, and the names of members of enums, cut."""
    beside = ("pair with a label", "beside a float", "beside a number as text")
    for name, (*_, aws) in ANSWERS.items():
        body = encoded(PREDICTIONS[name], NPY)
        if body is None and aws not in (None, "pickle"):
            container, value = parts(name)
            assert container in (*beside, *MASKED) or value == "an enum of texts", name
        elif body is not None:
            array = np.load(io.BytesIO(body))
            assert f"{array.dtype.str} {array.shape}" == aws, name


@pytest.mark.parametrize("accept", [JSON, JSON_LINES, CSV])
def test_every_prediction_without_bytes_is_answered_in_text(accept: str) -> None:
    """As lists of records, lines have what JSON has."""
    for name, (aws, *_) in ANSWERS.items():
        if aws is not None:
            assert encoded(PREDICTIONS[name], accept) is not None, name


def test_csv_keeps_whole_numbers_whole() -> None:
    large = 2**53 + 1
    assert arrays.output_fn([[large, 0.5]], CSV) == f"{large},0.5"
    assert arrays.output_fn([[large - 1, 0.5]], CSV) == f"{large - 1}.0,0.5"
    assert arrays.output_fn([2**64 - 1, -1], CSV) == f"{2**64 - 1}\n-1"
    assert arrays.output_fn([[np.int64(large), None]], CSV) == f"{large},"


@pytest.mark.parametrize(
    "prediction",
    [
        [("king", 0.91)],
        [[1, "a"]],
        [["a", True]],
        [["a", b"b"]],
        [np.array([1]), np.array(["a"])],
        [Colour.RED],
        np.ma.array([1, 2], mask=[False, True]),
        [np.ma.array([1, 2], mask=[False, True])],
        np.ma.array([(1, 2)], mask=[(False, True)], dtype="i4,i4"),
    ],
)
def test_npy_refuses_what_would_become_another_value(prediction: Any) -> None:
    with pytest.raises(NotAcceptable, match="npy cannot hold this prediction"):
        arrays.output_fn(prediction, NPY)


class Name(str):  # noqa: SLOT000 - as scripts define them
    """A text that numpy keeps."""


class Shown(str):  # noqa: SLOT000
    """A text of which numpy makes another one."""

    def __str__(self) -> str:
        return "shown"


class Code(bytes):
    """Bytes that numpy takes for numbers, or refuses."""


@pytest.mark.parametrize("prediction", [Name("king"), [Name("king"), "a"], [[Name("a")]]])
def test_texts_of_a_subclass_are_texts(prediction: Any) -> None:
    array = np.load(io.BytesIO(arrays.output_fn(prediction, NPY)))
    assert array.tolist() == np.array(prediction).tolist()
    assert array.dtype.kind == "U"


@pytest.mark.parametrize("value", [Shown("king"), Colour.RED, Code(b"12")])
def test_texts_that_numpy_changes_are_named_in_npy_and_written_in_csv(value: Any) -> None:
    for prediction in (value, [value], [[value, value]]):
        with pytest.raises(NotAcceptable, match=f"numpy changes a {type(value).__name__}"):
            arrays.output_fn(prediction, NPY)
    written = "b'12'" if isinstance(value, bytes) else str.__str__(value)
    assert arrays.output_fn([value], CSV) == arrays.output_fn(value, CSV) == written


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_bytes_in_a_buffer_are_numbers_as_aws_answers(kind: Any) -> None:
    """Of sagemaker-inference 1.10.1, less the last newline."""
    assert arrays.output_fn(kind(b"ab"), CSV) == "97\n98"
    assert arrays.output_fn([kind(b"ab")], CSV) == "97,98"
    assert arrays.output_fn([kind(b"ab"), [1.5, 2]], CSV) == "97.0,98.0\n1.5,2.0"
    array = np.load(io.BytesIO(arrays.output_fn([kind(b"ab")], NPY)))
    assert (array.dtype.str, array.tolist()) == ("|u1", [[97, 98]])


def damaged_headers(count: int) -> Iterator[bytes]:
    """npy arrays with one to three characters of the header replaced, inserted or removed."""
    draw = random.Random(7)
    for number in range(count):
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ones((2, 3)), version=(1 + number % 3, 0))
        body = buffer.getvalue()
        for _ in range(draw.randint(1, 3)):
            at = draw.randrange(100)
            new = bytes([draw.choice(b"(){}[]'\"\\\n -+*<>|09afTL.\x00\xff")])
            body = body[:at] + draw.choice((b"", new)) + body[at + draw.randint(0, 1) :]
        yield body


@pytest.mark.filterwarnings("ignore")
def test_a_damaged_npy_header_is_one_message() -> None:
    refused: Counter[str] = Counter()
    for body in damaged_headers(4000):
        try:
            assert arrays.numbers(body, NPY).dtype.kind in "biuf"
        except BadRequest as error:
            refused[str(error.description)[: len(NOT_NPY)]] += 1
    assert list(refused) == [NOT_NPY]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        pytest.param("{'descr': '<f8', 'fortran_order': False, 'shape': (2,", "", id="unfinished"),
        pytest.param("\\", "", id="a backslash"),
        pytest.param("-" * 9000, "", id="deep"),
        pytest.param(
            "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
            ": Object arrays",
            id="objects",
        ),
    ],
)
def test_only_sentences_of_numpy_are_quoted(header: str, message: str) -> None:
    body = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    with pytest.raises(BadRequest) as refusal:
        arrays.numbers(body, NPY)
    found = str(refusal.value.description)
    assert found.startswith(NOT_NPY + message)
    assert "Error" not in found


def test_npy_holds_texts_of_one_kind_and_arrays_without_masked_values() -> None:
    for prediction in (["a", np.str_("b")], np.array(["a", "b"]), [np.array(["a"])]):
        assert np.load(io.BytesIO(arrays.output_fn(prediction, NPY))).dtype.kind == "U"
    whole = np.ma.array([1, 2], mask=[False, False])
    assert np.load(io.BytesIO(arrays.output_fn(whole, NPY))).tolist() == [1, 2]


def test_masked_values_are_missing_in_every_text() -> None:
    masked = np.ma.array([[1, 2]], mask=[[False, True]])
    for prediction in (masked, [masked[0]], [[1, np.ma.masked]]):
        assert arrays.output_fn(prediction, JSON) == "[[1, null]]"
        assert arrays.output_fn(prediction, JSON_LINES) == '{"prediction": [1, null]}'
        assert arrays.output_fn(prediction, CSV) == "1,"


def test_floats_wider_than_doubles() -> None:
    """JSON holds the double next to them, CSV their own digits."""
    wide = np.longdouble("0.5")
    for prediction in ([wide], np.array([wide])):
        assert arrays.output_fn(prediction, JSON) == "[0.5]"
        assert arrays.output_fn(prediction, CSV) == "0.5"
    assert arrays.output_fn({"p": wide}, JSON_LINES) == '{"prediction": {"p": 0.5}}'


def test_texts_that_are_sent_can_be_read_again() -> None:
    texts = [["a\rb", "c\nd", "e\r\nf", 'g"h', "i,j", " k ", "é☃𝄞"]]
    for accept in (CSV, JSON):
        assert arrays.input_fn(arrays.output_fn(texts, accept), accept).tolist() == texts


@pytest.mark.parametrize("array", [np.array(2.5), np.array([2.5])])
def test_a_number_in_npy_is_a_row(array: Any) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array)
    assert arrays.input_fn(buffer.getvalue(), NPY).tolist() == [[2.5]]


def test_tensors_keep_their_type_but_for_csv() -> None:
    tensor = np.array([[0.91, 3]], dtype="float32")
    written = {each: arrays.of_tensor(tensor, each).dtype.str for each in (JSON, CSV, NPY)}
    assert written == {JSON: "<f4", CSV: "<f8", NPY: "<f4"}
    assert arrays.of_tensor(np.array([1]), CSV).dtype.kind == "i"
    assert arrays.output_fn(tensor, CSV) == "0.91,3.0"


@pytest.mark.parametrize(
    ("body", "content_type", "expected", "kind"),
    [
        pytest.param("1,2", CSV, [[1.0, 2.0]], "f", id="numbers"),
        pytest.param("1,,", CSV, [[1.0, None, None]], "f", id="missing numbers"),
        pytest.param("1,a\n2,b", CSV, [[1.0, "a"], [2.0, "b"]], "O", id="a column of texts"),
        pytest.param('[["a", 1]]', JSON, [["a", 1]], "O", id="JSON"),
        pytest.param('[["0.5", 1]]', JSON, [[0.5, 1.0]], "f", id="numbers as texts, as AWS"),
        pytest.param('[["7", "a"]]', JSON, [[7.0, "a"]], "O", id="numbers as texts beside texts"),
        pytest.param('["a", null]', JSON_LINES, [["a", None]], "O", id="a missing value"),
    ],
)
def test_rows_arrive_as_arrays(body: str, content_type: str, expected: Any, kind: str) -> None:
    array = arrays.input_fn(body, content_type)
    assert array.dtype.kind == kind
    assert {type(each) for each in array.ravel().tolist()} <= {float, str}
    assert [[None if str(each) == "nan" else each for each in row] for row in array] == expected


@pytest.mark.parametrize(("body", "content_type"), [("1,a", CSV), ('[["a"]]', JSON)])
def test_families_that_compute_with_numbers_alone_refuse_texts(
    body: str, content_type: str
) -> None:
    with pytest.raises(BadRequest):
        arrays.numbers(body, content_type)
