"""TensorFlow Serving's REST contract without TensorFlow: bodies, paths, custom attributes.

Other bodies that AWS's serving container accepts become bodies of TensorFlow Serving:
https://www.tensorflow.org/tfx/serving/api_rest.
"""

from __future__ import annotations

import base64
import csv
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

from werkzeug.exceptions import BadRequest, HTTPException, NotFound, UnsupportedMediaType

from buildkit_runtime import cells

if TYPE_CHECKING:
    from collections.abc import Mapping

    Serve = Callable[["Wanted", Mapping[str, Any]], dict[str, Any]]

METHODS = ("predict", "classify", "regress")
JSON = ("application/json", "application/jsonlines", "application/jsons")
CSV = "text/csv"
_ATTRIBUTE = re.compile(r"(tfs-[a-z-]+)=([^,]+)")
_PATH = re.compile(r"/v1/models/([^/:]+)(?:/versions/([0-9]+))?:([a-z]+)")
_BLANKS = re.compile(r"\s*")
_TFS_KEYS = {"instances", "inputs", "examples"}


@dataclass(frozen=True)
class Wanted:
    """The model and method of a request. Empty: the default model, the latest version."""

    model: str = ""
    version: str = ""
    method: str = "predict"

    @property
    def path(self) -> str:
        version = f"/versions/{self.version}" if self.version else ""
        return f"/v1/models/{self.model}{version}:{self.method}"


def of_attributes(header: str) -> Wanted:
    """`tfs-model-name=a,tfs-model-version=2,tfs-method=regress` among other attributes."""
    found = dict(_ATTRIBUTE.findall(header))
    return Wanted(
        model=found.get("tfs-model-name", "").strip(),
        version=found.get("tfs-model-version", "").strip(),
        method=found.get("tfs-method", "predict").strip(),
    )


def of_path(path: str) -> Wanted | None:
    found = _PATH.fullmatch(path)
    return None if found is None else Wanted(found[1], found[2] or "", found[3])


def answer(
    serve: Serve, wanted: Wanted | None, data: bytes, content_type: str
) -> tuple[dict[str, Any], int]:
    """The document and the status of an answer, or of an error."""
    try:
        if wanted is None:
            raise NotFound("no such path")
        return serve(wanted, to_request(data, content_type)), 200
    except HTTPException as error:
        return {"error": error.description}, error.code or 500


def to_request(data: bytes, content_type: str) -> dict[str, Any]:
    """The body as a request of TensorFlow Serving. Raises HTTPException."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest("the body is not UTF-8 text") from error
    if content_type == CSV:
        return {"instances": _csv(text)}
    if content_type not in JSON:
        raise UnsupportedMediaType(f"cannot read {content_type}; send {CSV}, {', '.join(JSON)}")
    values = _documents(text)
    if len(values) > 1:
        return {"instances": values}
    (value,) = values
    if isinstance(value, dict) and _TFS_KEYS & value.keys():
        return value
    if isinstance(value, list) and value and isinstance(value[0], list):
        return {"instances": value}
    return {"instances": [value]}


def _documents(text: str) -> list[Any]:
    """One JSON document, or several that are separated by whitespace."""
    decoder, found = json.JSONDecoder(object_hook=_object), []
    try:
        at = _after_blanks(text, 0)
        while at < len(text):
            value, end = decoder.raw_decode(text, at)
            found.append(value)
            at = _after_blanks(text, end)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if not found:
        raise BadRequest("the document is empty")
    return found


def _after_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def _object(members: dict[str, Any]) -> Any:
    """`{"b64": "..."}` means bytes, anywhere in a document.

    The parser calls this only for objects: lists of millions of numbers cost no time.
    """
    if members.keys() != {"b64"}:
        return members
    try:
        return base64.b64decode(members["b64"], validate=True)
    except (ValueError, TypeError) as error:
        raise BadRequest("the value of `b64` is not base64") from error


def _csv(text: str) -> list[Any]:
    """Rows as lists, or values if there is one column; numbers if all cells are numbers."""
    try:
        rows = [row for row in cells.reader(text) if row]
    except csv.Error as error:
        raise BadRequest(f"the body is not CSV: {error}") from error
    if not rows:
        raise BadRequest("no rows in the body")
    try:
        values: list[list[Any]] = [[float(cell) for cell in row] for row in rows]
    except ValueError:
        values = [list(row) for row in rows]
    return [row if len(row) > 1 else row[0] for row in values]


def encoded(value: Any, *, as_bytes: bool) -> Any:
    """Values for JSON; bytes become text, or base64 for outputs whose names ask for bytes."""
    if isinstance(value, list):
        return [encoded(each, as_bytes=as_bytes) for each in value]
    if not isinstance(value, bytes):
        return value
    if as_bytes:
        return {"b64": base64.b64encode(value).decode("ascii")}
    return value.decode("utf-8", "replace")
