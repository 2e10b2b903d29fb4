"""The default `input_fn` of images with a framework, beside AWS's decoders.

`aws_decoder.json` has what they make of each of `bodies()`, cast to float32 as the default handlers
of these frameworks do: sagemaker-inference 1.10.1, then sagemaker-containers 2.8.6, which
scikit-learn, XGBoost and Chainer use. The type, the shape and the values of an array; null is a
refusal. A difference that is not in docs/reference/images.md is a mistake.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from buildkit_runtime import arrays
from werkzeug.exceptions import HTTPException

from tests.runtime.bodies import NPY, bodies

ANSWERS = json.loads(Path(__file__).with_name("aws_decoder.json").read_text(encoding="utf-8"))
BODIES = {name: (body, media_type) for name, body, media_type in bodies()}
REAL_NUMBERS = "biuf"
# numpy's genfromtxt, which sagemaker-inference uses, has a reading of its own for these cells.
OF_GENFROMTXT = ("0x10", "True", "1+2j", "#7", "")
# It makes a table of columns of whole numbers and others, which cannot be cast, and keeps quotes.
TABLES = ("CSV, a row", "CSV, rows", "CSV, rows of a spreadsheet")
QUOTED = ('"6"', '"007"')
EQUAL = ((106, 149), (125, 169))
LAYOUTS = ("CSV, rows with a gap", "CSV, semicolons", "JSON, instances")


def read(name: str, read_with: Any = arrays.input_fn) -> Any:
    body, media_type = BODIES[name]
    try:
        array = read_with(body, media_type)
    except HTTPException:
        return None
    if array.dtype.kind in REAL_NUMBERS and media_type != NPY:
        with np.errstate(over="ignore"):
            return array.astype(np.float32)
    return array


def values(array: Any) -> list[str]:
    if array.dtype.kind in REAL_NUMBERS:
        return [repr(float(x)) for x in array.ravel()]
    return [str(x) for x in array.ravel()]


def difference(name: str, ours: Any, aws: Any) -> str:  # noqa: PLR0911 - one per kind
    """The line of docs/reference/images.md that it is on; empty for what is on none."""
    layout, _, value = name.partition(": ")
    if ours is None and aws is None:
        return "refused by both"
    if ours is None:
        if 0 in aws[1] or name == "JSON, itself: None":
            return "no rows"
        if value in ("True", "False"):
            return "true and false in JSON"
        return "npy of others" if layout.startswith("npy") and aws[0][1] not in "biuf" else ""
    if ours.dtype.kind == "O":
        return "texts" if aws is None or value in OF_GENFROMTXT else ""
    if aws is None:
        if layout in LAYOUTS or value == "":
            return "layouts" if layout in LAYOUTS else "empty cells"
        return "tables" if layout in TABLES or value in QUOTED else ""
    if values(ours) != aws[2]:
        return "empty cells" if value == "" else ""
    return "equal" if list(ours.shape) == aws[1] else "one row" if len(aws[1]) < 2 else ""


def test_the_table_has_every_body() -> None:
    assert list(ANSWERS) == list(BODIES)


@pytest.mark.parametrize("decoder", [0, 1])
def test_bodies_are_read_as_aws_reads_them(decoder: int) -> None:
    kinds = {name: difference(name, read(name), ANSWERS[name][decoder]) for name in BODIES}
    assert [name for name, kind in kinds.items() if not kind] == []
    counted = Counter(kinds.values())
    assert (counted["equal"], counted["one row"]) == EQUAL[decoder]
    # sagemaker-containers reads CSV as csv.reader does, without tables.
    assert (counted["tables"] > 0) is (decoder == 0)


def test_frameworks_that_compute_with_numbers_alone_read_the_same_and_refuse_texts() -> None:
    for name in BODIES:
        ours, numbers = read(name), read(name, arrays.numbers)
        if ours is None or ours.dtype.kind == "O":
            assert numbers is None, name
        else:
            assert (numbers.shape, values(numbers)) == (ours.shape, values(ours)), name
