"""What is read of a container as it comes: only as much as one wants, and closed then."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest
import urllib3.exceptions

from buildkit.engine import containers
from buildkit.engine.containers import MOST_OUTPUT, UNFIT, Container
from buildkit.support.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator

FACTS = {"name": "x", "size": 3, "mode": 0o644, "mtime": "", "linkTarget": ""}


@dataclass
class FakeAnswer:
    """An answer of an engine that is read as it comes."""

    status_code: int = 200
    content: bytes = b"abcdef"
    closed: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    explanation: str = ""

    def __post_init__(self) -> None:
        self.raw: Any = io.BytesIO(self.content)

    def __enter__(self) -> FakeAnswer:  # noqa: PYI034 - Python 3.10 has no `Self`
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True

    def raise_for_status(self) -> None: ...

    def iter_content(self, _size: int) -> Iterator[bytes]:
        while chunk := self.raw.read(2):
            yield chunk


@dataclass
class FakeApi:
    answer: FakeAnswer
    base_url: str = "http://engine"
    api_version: str = "1.47"
    timeout: int = 1

    def get(self, _url: str, **_: Any) -> FakeAnswer:
        return self.answer

    post = head = get

    def _raise_for_status(self, answer: FakeAnswer) -> None:
        if answer.status_code == 404:
            raise docker.errors.NotFound("no such file")
        if answer.explanation:
            response: Any = SimpleNamespace(status_code=answer.status_code, reason="", url="")
            raise docker.errors.APIError("no", response=response, explanation=answer.explanation)

    def exec_create(self, *_: object) -> dict[str, str]:
        return {"Id": "1"}

    def exec_inspect(self, _number: str) -> dict[str, int]:
        return {"ExitCode": 3}


def container(answer: FakeAnswer) -> Container:
    client = SimpleNamespace(api=FakeApi(answer))
    docker: Any = SimpleNamespace(id="c", client=client)
    return Container(docker=docker, host="127.0.0.1", bridged=False, overrun=lambda: "")


def test_a_copy_is_closed_when_all_of_it_is_read() -> None:
    answer = FakeAnswer()
    chunks = container(answer).get("/x")
    assert chunks is not None
    assert b"".join(chunks) == b"abcdef"
    assert answer.closed


def test_a_copy_that_nobody_reads_to_its_end_is_closed() -> None:
    answer = FakeAnswer()
    chunks = container(answer).get("/x")
    assert chunks is not None
    assert next(chunks) == b"ab"
    del chunks
    assert answer.closed


def test_a_copy_that_nobody_reads_at_all_is_closed() -> None:
    answer = FakeAnswer()
    container(answer).get("/x")
    assert answer.closed


def test_nothing_is_copied_of_what_is_not_there() -> None:
    answer = FakeAnswer(status_code=404)
    assert container(answer).get("/x") is None
    assert answer.closed
    assert container(answer).look("/x") is None


def test_a_look_reads_no_content() -> None:
    told = base64.b64encode(json.dumps(FACTS).encode()).decode()
    found = container(FakeAnswer(headers={"X-Docker-Container-Path-Stat": told})).look("/x")
    assert found is not None
    assert (found.name, found.kind, found.size, found.mode) == ("/x", "file", 3, 0o644)


def test_a_link_that_goes_round_in_a_circle_is_told_apart() -> None:
    """An engine answers 500 for it, as for its own errors; the container is still there."""
    whole = container(FakeAnswer(status_code=500))
    there: Any = whole.docker
    there.reload, there.attrs = lambda: None, {"State": {"Running": False}}
    found = whole.look("/opt/ml/input")
    assert found is not None
    assert found.kind == "loop"


@pytest.mark.parametrize(
    ("said", "kind"),
    [("stat /x/opt/ml: not a directory", None), ("too many links in /x/opt/ml", "loop")],
)
def test_a_path_that_leads_through_a_file_is_no_loop(said: str, kind: str | None) -> None:
    """An engine answers 500 for both, and only an answer with a body says which it is."""
    whole = container(FakeAnswer(status_code=500, explanation=said))
    there: Any = whole.docker
    there.reload, there.attrs = lambda: None, {"State": {"Running": False}}
    found = whole.look("/opt/ml")
    assert (found and found.kind) == kind


def test_a_pipe_is_no_file() -> None:
    facts = {**FACTS, "mode": 1 << 25 | 0o644}
    told = base64.b64encode(json.dumps(facts).encode()).decode()
    found = container(FakeAnswer(headers={"X-Docker-Container-Path-Stat": told})).look("/x")
    assert found is not None
    assert found.kind == "pipe"


def said(*pieces: bytes) -> bytes:
    return b"".join(b"\1\0\0\0" + len(each).to_bytes(4, "big") + each for each in pieces)


def test_a_program_s_output_comes_in_pieces() -> None:
    answer = FakeAnswer(content=said(b"one ", b"two"))
    assert container(answer).execute("x") == (3, "one two")
    assert answer.closed


def test_a_program_that_says_too_much_is_not_read_to_its_end() -> None:
    answer = FakeAnswer(content=said(*[b"x" * 1000] * (MOST_OUTPUT // 500)))
    assert container(answer).execute("x") == (UNFIT, "the program does not end")
    assert answer.closed
    assert answer.raw.read() != b""


def test_a_program_that_speaks_for_too_long_has_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "EXECUTE_SECONDS", -1)
    assert container(FakeAnswer(content=said(b"x"))).execute("x") == (
        UNFIT,
        "the program does not end",
    )


def test_a_mute_program_is_not_waited_for() -> None:
    class Mute:
        def read(self, _size: int) -> bytes:
            raise urllib3.exceptions.HTTPError("it says nothing")

    answer = FakeAnswer()
    answer.raw = Mute()
    assert container(answer).execute("x") == (UNFIT, "it says nothing")
    assert answer.closed


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        pytest.param("1970-01-01T00:00:09.123456789Z", 9.123456, id="UTC"),
        pytest.param("1970-01-01T02:00:09.5+02:00", 9.5, id="the engine's own time zone"),
        pytest.param("soon", None, id="no time"),
    ],
)
def test_the_clock_of_an_engine_is_that_of_its_logs(shown: str, found: float | None) -> None:
    held = container(FakeAnswer())
    api: Any = held.docker.client.api  # type: ignore[union-attr]
    api.info = lambda: {"SystemTime": shown}
    if found is None:
        with pytest.raises(ToolError, match="the engine's clock shows `soon`"):
            held.now()
    else:
        assert held.now() == found
