"""What an answer is: whether its Content-Type is true, and whether it is an error in disguise."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful
from buildkit.contract.comparison import document, is_json, is_json_lines, is_number, kind_of
from buildkit.contract.hosting.client import OK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from buildkit.contract.hosting.client import Answer

ERRORS = frozenset(["error", "errors", "exception", "traceback", "error_message", "errormessage"])


def judge_type(asked: str, answer: Answer) -> bool:
    """Whether a Content-Type can be verified. Raises Broken or Doubtful if it is wrong."""
    kind = kind_of(answer.content_type)
    said = f"{asked} was answered with {answer.shown()}"
    if not kind:
        raise Broken(said)
    found = document(answer.body)
    if is_json(kind):
        if found is None:
            raise Broken(f"{said}, which is not JSON")
    elif kind == "text/csv":
        _judge_csv(said, answer.body, found)
    elif is_json_lines(kind):
        if any(document(line) is None for line in answer.body.splitlines() if line.strip()):
            raise Broken(f"{said}, which are not lines of JSON")
    elif kind == "text/html":
        if found is not None or b"<" not in answer.body:
            raise Broken(f"{said}, which is not HTML")
    else:
        return False
    return True


def _judge_csv(said: str, body: bytes, json: tuple[object] | None) -> None:
    (found,) = json or (None,)
    if isinstance(found, dict) or not _is_csv(body):
        raise Broken(f"{said}, which is not CSV")
    if isinstance(found, list):
        raise Doubtful(f"{said}, which looks like JSON")


def _is_csv(body: bytes) -> bool:
    try:
        return all(row is not None for row in csv.reader(io.StringIO(body.decode()), strict=True))
    except (ValueError, csv.Error):
        return False


def judge_coding(asked: str, answer: Answer, headers: Iterable[str]) -> None:
    """Raises Broken if an answer is compressed although its request, by its headers, forbids that.

    SageMaker passes neither Accept-Encoding nor Content-Encoding on, so no client decodes it.
    """
    coding = answer.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity") and "accept-encoding" not in map(str.lower, headers):
        raise Broken(
            f"{asked} got an answer with the header Content-Encoding: {coding[:40]}, which the "
            "request does not accept: clients would get compressed bytes"
        )


def confesses(body: bytes) -> str:
    """The key of a JSON object that reports an error, empty if there is none."""
    (found,) = document(body) or (None,)
    if not isinstance(found, dict):
        return ""
    names = (name for name, value in found.items() if value and isinstance(value, str | dict))
    return next((str(name) for name in names if str(name).lower() in ERRORS), "")


def friendly(answer: Answer, good: Sequence[Answer]) -> str:
    """Why an answer of 200 to garbage looks like an error, empty if it does not.

    Its form differs from each answer to a sample: other keys, or another kind of text.
    """
    if answer.status != OK or not answer.body or not good:
        return ""
    if any(_form(answer.body) == _form(each.body) for each in good):
        return ""
    if key := confesses(answer.body):
        return f"clients take 200 with `{key}` for a result"
    return "no sample has an answer of this form: is this an error with status 200?"


def is_strict(content_type: str, sample: bytes) -> bool:
    """Whether garbage cannot be valid for a sample's type: JSON, or a table of numbers only."""
    kind = kind_of(content_type)
    if is_json(kind):
        return document(sample) is not None
    return kind == "text/csv" and _form(sample) == "numbers"


def _form(body: bytes) -> object:
    (found,) = document(body) or (None,)
    if isinstance(found, dict):
        return frozenset(found)
    if isinstance(found, list | str):
        return type(found)
    cells = [
        cell.strip()
        for row in body.decode("utf-8", "replace").splitlines()
        for cell in row.split(",")
    ]
    return "numbers" if cells and all(map(is_number, cells)) else "text"
