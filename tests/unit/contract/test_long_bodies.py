"""Bodies longer than the samples, types in any form, and answers that nobody can read."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from buildkit.contract import checks
from buildkit.contract.hosting import bodies, long_bodies, request_rules, serving
from buildkit.contract.hosting.client import Answer, Health
from buildkit.contract.hosting.server import Serving
from buildkit.contract.hosting.traffic import Loaded
from buildkit.model.target import Payload

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildkit.contract.checks import Check

    Reply = Callable[[bytes, dict[str, str]], Answer]

JSON, CSV = "application/json", "text/csv"
SAMPLES = {JSON: b'{"instances": [1, 2], "deep": {"x": [1]}}', CSV: b"1\n2\n"}


def answer(body: bytes, kind: str = CSV, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, content_type=kind, body=body, headers=named)


def sums(body: bytes, headers: dict[str, str]) -> Answer:
    """Doubles each number, and takes any form of the types that it knows."""
    kind = headers.get("Content-Type", CSV).partition(";")[0]
    try:
        if kind == JSON:
            doubled = [2 * each for each in json.loads(body)["instances"]]
            return answer(json.dumps({"predictions": doubled}).encode(), JSON)
        numbers = [float(each) * 2 for each in body.split()]
    except ValueError:
        return answer(b"not numbers", status=400)
    return answer("".join(f"{each}\n" for each in numbers).encode())


def loaded(folder: Path, kind: str, reply: Reply) -> Loaded:
    sample = folder / "sample"
    sample.write_bytes(SAMPLES[kind])
    payload = Payload(content_type=kind, body=str(sample))
    client: Any = SimpleNamespace(
        ask=lambda *_, body, headers, **__: reply(body, headers), host="h", port=1
    )
    container: Any = SimpleNamespace(
        wait=lambda _seconds: None, ended_by=lambda: "", lines=lambda: (), logs=lambda: ""
    )
    server = Serving(
        container=container,
        machine=SimpleNamespace(),  # type: ignore[arg-type]
        client=client,
        refusal=None,
        health=Health(after=0.1, last=None),
        exit_code=None,
        payloads=(payload,),
    )
    return Loaded(serving=server, first=answer(b"2"))


def verdict(check: Check[Any], observed: object) -> str:
    return checks.run(check, observed).status.value


def cut_before(size: int) -> Reply:
    return lambda body, headers: sums(body[:size], headers)


def cut_after(size: int) -> Reply:
    def reply(body: bytes, headers: dict[str, str]) -> Answer:
        found = sums(body, headers)
        return replace(found, body=found.body[:size])

    return reply


def at_most(number: int) -> Reply:
    """Refuses more numbers than that."""

    def reply(body: bytes, headers: dict[str, str]) -> Answer:
        found = sums(body, headers)
        many = bodies.count(found.content_type, found.body) > number
        return answer(b"too many", status=400) if many else found

    return reply


def first_512(body: bytes, headers: dict[str, str]) -> Answer:
    """Reads no more of a list than a model takes."""
    found = sums(body, headers)
    if found.content_type != JSON or found.status != 200:
        return found
    kept = json.loads(found.body)["predictions"][:512]
    return replace(found, body=json.dumps({"predictions": kept}).encode())


def two_classes(_body: bytes, _headers: dict[str, str]) -> Answer:
    return answer(b"[0.1, 0.9]", JSON)


@pytest.mark.parametrize("kind", [JSON, CSV])
@pytest.mark.parametrize(
    ("reply", "found"),
    [
        pytest.param(sums, "pass", id="whole"),
        pytest.param(cut_before(1000), "fail", id="cut at 1,000 bytes"),
        pytest.param(cut_before(65536), "fail", id="one segment"),
    ],
)
def test_a_long_body_is_read_to_its_end(
    tmp_path: Path, kind: str, reply: Reply, found: str
) -> None:
    seen = loaded(tmp_path, kind, reply)
    assert verdict(long_bodies.long_bodies_are_read_to_the_end, seen) == found


def test_what_takes_no_empty_lines_is_not_judged_by_them(tmp_path: Path) -> None:
    def strict(body: bytes, headers: dict[str, str]) -> Answer:
        return answer(b"no", status=400) if body.startswith(b"\n") else sums(body, headers)

    seen = loaded(tmp_path, CSV, strict)
    assert verdict(long_bodies.long_bodies_are_read_to_the_end, seen) == "skip"


@pytest.mark.parametrize(
    ("kind", "reply", "found"),
    [
        pytest.param(CSV, sums, "pass", id="CSV"),
        pytest.param(JSON, sums, "pass", id="JSON"),
        pytest.param(CSV, cut_after(1000), "fail", id="cut CSV"),
        pytest.param(JSON, cut_after(1000), "fail", id="cut JSON"),
        pytest.param(CSV, cut_before(1000), "fail", id="CSV cut before"),
        pytest.param(CSV, at_most(100), "pass", id="an error for too many"),
        pytest.param(CSV, at_most(2), "skip", id="an error for most"),
        pytest.param(JSON, first_512, "warn", id="no more than a model takes"),
        pytest.param(JSON, two_classes, "skip", id="one answer for all"),
    ],
)
def test_many_records_get_as_many_answers(
    tmp_path: Path, kind: str, reply: Reply, found: str
) -> None:
    seen = loaded(tmp_path, kind, reply)
    assert verdict(long_bodies.many_records_get_whole_answers, seen) == found


def exact(body: bytes, headers: dict[str, str]) -> Answer:
    """Compares types as text."""
    known = headers.get("Content-Type") in SAMPLES
    return sums(body, headers) if known else answer(b"unknown type", status=415)


def one_accept(body: bytes, headers: dict[str, str]) -> Answer:
    known = headers.get("Accept", CSV) == CSV
    return sums(body, headers) if known else answer(b"no such type", status=406)


def only_json(body: bytes, headers: dict[str, str]) -> Answer:
    """Answers CSV with JSON, and says so."""
    wanted = headers.get("Accept", "*/*")
    if not any(each in wanted for each in (JSON, "*/*")):
        return answer(b"only JSON", status=406)
    return replace(sums(body, headers), content_type=JSON)


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        pytest.param(sums, "pass", id="any form"),
        pytest.param(exact, "warn", id="no parameters"),
        pytest.param(one_accept, "warn", id="no list of types"),
        pytest.param(only_json, "pass", id="never what the sample's type is"),
    ],
)
def test_a_type_means_the_same_in_any_form(tmp_path: Path, reply: Reply, found: str) -> None:
    assert (
        verdict(request_rules.types_mean_the_same_in_any_form, loaded(tmp_path, CSV, reply))
        == found
    )


def test_an_answer_is_not_compressed_unasked(tmp_path: Path) -> None:
    def zipped(body: bytes, headers: dict[str, str]) -> Answer:
        found = sums(body, headers)
        return replace(found, body=gzip.compress(found.body), headers={"content-encoding": "gzip"})

    seen = loaded(tmp_path, CSV, zipped).serving
    assert verdict(serving.invocations_answer, seen) == "fail"
    asked = replace(seen.payloads[0], headers=(("Accept-Encoding", "gzip"),))
    assert verdict(serving.invocations_answer, replace(seen, payloads=(asked,))) == "pass"
