"""The default `input_fn` of XGBoost, beside AWS's own container for it.

`aws_xgboost.json` has what that container makes of each of `xgboost_bodies()`, with XGBoost 3.2.0:
the rows, the columns, and the values of each row that are not missing; null is a refusal. LIBSVM
has two answers: of the containers up to 3.0, in which XGBoost reads the text, and of the newest
sagemaker-xgboost-container, which has a reader of its own. A difference that is not in
docs/reference/images.md is a mistake.
"""

from __future__ import annotations

import importlib
import json
import struct
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from werkzeug.exceptions import BadRequest, HTTPException, UnsupportedMediaType

from tests.runtime import xgboost_bodies as bodies
from tests.runtime.bodies import CSV, JSON, NPY

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWERS = json.loads(Path(__file__).with_name("aws_xgboost.json").read_text(encoding="utf-8"))
BODIES = {name: (body, media_type) for name, body, media_type in bodies.xgboost_bodies()}
# XGBoost's own reader takes what it understands of such lines; the newest container mostly, too.
NO_LIBSVM = (
    "1 qid:x 1:2", "1 1:inf", "1 1:1e300", "1 3 5", "1 3:1 5", "1 -1:2", "1 1:", "1 1:x", "1 a:2", "1 1.5:2",
    "1 1,2", "king 1:2", "1 1:2,3:4", "1 1 : 2", "1 1:2\x0b3:4",
)  # fmt: skip
# XGBoost's reader takes `1:2` at the start for a label with a weight, the newest container not.
LABELS_WITH_WEIGHTS = ("1:2 3:4", "1:nan", "1:0.5 1:2")
# Single numbers, for which AWS finds a delimiter in blanks and quotes.
SINGLE = ('"6"',)
COMMENTS = ("1 # 1:2", "1 1:2 #a 5:6")

COUNTED: tuple[dict[str, int], ...] = (
    {
        "equal": 146,
        "refused by both": 54,
        "no columns": 12,
        "a label with a weight": 7,
        "nan is 0": 7,
        "no LIBSVM": 79,
        "no rows": 3,
    },
    {
        "equal": 2,
        "refused by both": 94,
        "read only here": 28,
        "columns from 1, absent ones 0": 128,
        "no LIBSVM": 39,
        "a comment": 14,
        "no rows": 3,
    },
)


class Matrix:
    """As much of XGBoost's DMatrix as `input_fn` needs."""

    def __init__(self, data: Any) -> None:
        if isinstance(data, np.ndarray):
            assert data.ndim == 2
            self.columns = data.shape[1]
            rows: list[dict[int, float]] = [dict(enumerate(row)) for row in data]
        else:
            values, columns, starts = data.parts
            self.columns = data.shape[1]
            pairs = list(zip(columns, values))
            rows = [dict(pairs[x:y]) for x, y in zip(starts, starts[1:])]
        self.rows = [
            {str(key): repr(float(np.float32(value))) for key, value in sorted(row.items())}
            for row in rows
        ]

    @property
    def answer(self) -> Any:
        rows = [{key: value for key, value in row.items() if value != "nan"} for row in self.rows]
        assert all("inf" not in row.values() for row in rows), "XGBoost refuses infinity"
        return [len(rows), self.columns, rows]


class Sparse:
    def __init__(self, parts: Any, *, shape: tuple[int, int], dtype: type) -> None:
        assert dtype is float
        self.parts, self.shape = parts, shape


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The handlers beside an XGBoost and a scipy that only keep what they get."""
    modules = {name: ModuleType(name) for name in ("xgboost", "scipy", "scipy.sparse")}
    vars(modules["xgboost"])["DMatrix"] = Matrix
    vars(modules["scipy.sparse"])["csr_matrix"] = Sparse
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    name = "buildkit_runtime.handlers_xgboost"
    monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module(name)
    sys.modules.pop(name, None)


def read(handlers: Any, body: Any, media_type: str) -> Any:
    try:
        return handlers.input_fn(body, media_type).answer
    except HTTPException:
        return None


def test_the_table_has_every_body() -> None:
    assert list(ANSWERS) == list(BODIES)


def without_empty(answer: Any) -> Any:
    return [row for row in answer[2] if row]


def of_csv(name: str, ours: Any, aws: Any) -> str:
    """The difference's line of docs/reference/images.md; empty for what is on none."""
    body = BODIES[name][0]
    if ours == aws:
        return "equal" if ours else "refused by both"
    if aws is None:
        return "read only here"
    if body.split("\n")[0].endswith(" "):
        return "blanks at the end"
    if ours is None:
        return "" if set(body) & set(",;\t|: ") else "a guessed delimiter"
    if ours[1] == aws[1]:
        return "an empty line" if without_empty(ours) == without_empty(aws) else ""
    return "a guessed delimiter" if body in SINGLE else ""


def test_csv_is_read_as_aws_reads_it(handlers: Any) -> None:
    names = [name for name, (_, media_type) in BODIES.items() if media_type == CSV]
    kinds = {name: of_csv(name, read(handlers, *BODIES[name]), *ANSWERS[name]) for name in names}
    assert [name for name, kind in kinds.items() if not kind] == []
    assert Counter(kinds.values()) == {
        "equal": 311,
        "refused by both": 1029,
        "read only here": 342,
        "an empty line": 30,
        "a guessed delimiter": 23,
        "blanks at the end": 4,
    }


def without_zeros(answer: Any, shift: int = 0) -> Any:
    rows = [
        {int(key) - shift: value for key, value in row.items() if float(value)} for row in answer[2]
    ]
    return [row for row in rows if row]


def of_libsvm(name: str, ours: Any, aws: Any, *, newest: bool) -> str:  # noqa: PLR0911 - one per kind
    line = name.partition(": ")[2]
    if ours == aws:
        return "equal" if ours else "refused by both"
    if line in NO_LIBSVM:
        return "no LIBSVM"
    if aws is None:
        return "read only here"
    if ours is None:
        return "no rows" if not without_zeros(aws) else ""
    if newest and line in COMMENTS:
        return "a comment"
    if not newest:
        if ours[2] == aws[2] and not any(ours[2]):
            return "no columns"
        if line in LABELS_WITH_WEIGHTS:
            return "a label with a weight"
        return "nan is 0" if line == "1 1:nan" else ""
    same = without_zeros(aws) in (without_zeros(ours), without_zeros(ours, shift=1))
    return "columns from 1, absent ones 0" if same else ""


@pytest.mark.parametrize("newest", [False, True])
def test_libsvm_is_read_as_aws_reads_it(handlers: Any, newest: bool) -> None:
    names = [name for name, (_, media_type) in BODIES.items() if media_type == bodies.LIBSVM]
    kinds = {}
    for name in names:
        ours = read(handlers, BODIES[name][0].encode(), bodies.LIBSVM)
        kinds[name] = of_libsvm(name, ours, ANSWERS[name][newest], newest=newest)
    assert [name for name, kind in kinds.items() if not kind] == []
    assert kinds["LIBSVM, lines: 1 qid:3 1:2 3:4"] == ("read only here" if newest else "equal")
    assert Counter(kinds.values()) == COUNTED[newest]


def test_recordio_is_read_as_aws_reads_it(handlers: Any) -> None:
    different, equal = {}, 0
    for name, (body, media_type) in BODIES.items():
        ours, (aws, *_) = read(handlers, body, media_type), ANSWERS[name]
        if media_type == bodies.RECORDIO and ours != aws:
            what = name.removeprefix("RecordIO: ").removesuffix(", labels")
            different[what.partition(", ")[2] or what] = (ours and ours[:2], aws and aws[:2])
        elif media_type == bodies.RECORDIO:
            equal += ours is not None
    assert equal == 31
    assert different == {
        "nothing": ([1, 1], [1, 0]),
        "sparse, only an empty row": ([1, 4], [1, 0]),
        "sparse, an empty row": ([2, 4], None),
        "sparse, of different widths": ([2, 6], None),
        "sparse, beyond the shape": (None, [1, 4]),
        "one of another name": (None, [1, 2]),
        "a rest": (None, [1, 2]),
    }


def test_unpacked_numbers_are_read_like_packed_ones(handlers: Any) -> None:
    """Protobuf allows both; AWS's own writers pack."""
    floats = b"".join(bodies.number(1 << 3 | 5) + struct.pack("<f", each) for each in (1.5, 2.0))
    keys = b"".join(bodies.number(2 << 3) + bodies.number(each) for each in (0, 300))
    body = bodies.framed(bodies.record(bodies.field(2, floats + keys)))
    expected = [1, 301, [{"0": "1.5", "300": "2.0"}]]
    assert handlers.input_fn(body, bodies.RECORDIO).answer == expected


@pytest.mark.parametrize(
    ("body", "media_type", "message"),
    [
        pytest.param("1,inf", CSV, "neither infinity", id="infinity"),
        pytest.param("[1e300]", JSON, "neither infinity", id="beyond 32 bits"),
        pytest.param("1 1:1e300", bodies.LIBSVM, "neither infinity", id="LIBSVM beyond 32 bits"),
        pytest.param("[[[1, 2]]]", JSON, "rows of numbers", id="lists in rows"),
        pytest.param("1 -1:2", bodies.LIBSVM, "no column -1", id="a negative column"),
        pytest.param("1 4294967295:2", bodies.LIBSVM, "no column 4294967295", id="a large column"),
        pytest.param("1 9999999999999999999999:2", bodies.LIBSVM, "no column", id="a huge column"),
        pytest.param(b"1,2,3,4,5", bodies.RECORDIO, "record 1: the body is not", id="no RecordIO"),
        pytest.param(b"", bodies.RECORDIO, "no records", id="no records"),
    ],
)
def test_what_xgboost_cannot_read_is_an_error_of_the_request(
    handlers: Any, body: Any, media_type: str, message: str
) -> None:
    with pytest.raises(BadRequest, match=message):
        handlers.input_fn(body, media_type)


def test_each_cut_of_a_record_is_an_error_of_the_request(handlers: Any) -> None:
    body = bodies.framed(bodies.record(bodies.tensor("float32", [1.0, 2.0], [0, 3], [4])))
    for end in range(len(body)):
        assert read(handlers, body[:end], bodies.RECORDIO) is None, end
    for place in range(len(body)):
        read(
            handlers,
            body[:place] + bytes([body[place] ^ 0xFF]) + body[place + 1 :],
            bodies.RECORDIO,
        )


def test_an_unknown_type_names_every_type_that_xgboost_reads(handlers: Any) -> None:
    with pytest.raises(UnsupportedMediaType) as raised:
        handlers.input_fn(b"", "image/png")
    for known in (CSV, JSON, NPY, "text/libsvm", "text/x-libsvm", bodies.RECORDIO):
        assert known in str(raised.value.description)
