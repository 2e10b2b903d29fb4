"""Judgements on adapters (ADAPT), remote functions (REMOTE-01) and HyperPod (HYPER-01)."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from buildkit.contract import checks
from buildkit.contract.checks import Unsampled
from buildkit.contract.endpoints import adapters
from buildkit.contract.engine import Refusal
from buildkit.contract.hosting.client import Answer
from buildkit.contract.runner import excuse
from buildkit.contract.scenario import Subject
from buildkit.contract.scripts import hyperpod, remote
from buildkit.contract.suite import checks_of
from buildkit.model.features import Feature
from buildkit.model.target import Payload, Purpose, Samples
from tests.unit.contract.test_contract import GOOD, file, server

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.contract.hosting.client import HttpClient
    from buildkit.contract.hosting.server import Serving

ADDED = 100.0


@dataclass(kw_only=True)
class Adapters:
    """A server that adds a number where the request names a loaded adapter. `fault`: its mistake."""

    fault: str = ""
    loaded: dict[str, str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    asked: int = 0
    merged: float = 0.0

    def ask(self, method: str, path: str, **arguments: Any) -> Answer:
        self.asked += 1
        if path == "/ping":
            return self.answer(503 if self.fault == "ping" and self.loaded else 200)
        if (method, path) == ("POST", "/adapters"):
            return self.load(json.loads(arguments["body"]))
        if method == "DELETE" and path.startswith("/adapters/"):
            name = path.removeprefix("/adapters/")
            if self.fault == "never unloads":
                return self.answer(405)
            return self.answer(200 if self.loaded.pop(name, None) else 404)
        assert (method, path) == ("POST", "/invocations")
        return self.invoke(arguments["headers"])

    def load(self, request: dict[str, str]) -> Answer:
        if self.fault == "no route" or (self.fault == "once" and request["name"] in self.known):
            return self.answer(404)
        if request["name"] in self.loaded:
            return self.answer(400)
        self.known.add(request["name"])
        self.loaded[request["name"]] = request["src"]
        return self.answer(201 if self.fault == "created" else 200)

    def invoke(self, headers: dict[str, str]) -> Answer:
        name = headers.get(adapters.IDENTIFIER)
        assert (name is None) == (adapters.ALIAS not in headers)
        if name is None and self.fault == "no base" and self.loaded:
            return self.answer(400)
        if name is None and self.fault == "the last for all":
            name = next(iter(self.loaded), None)
        if name is not None and name not in self.loaded:
            return self.answer(200 if self.fault == "unknown" else 404, b"1.0\n")
        if name is not None and self.fault == "refuses":
            return self.answer(500)
        number = 1.0 + self.merged + (ADDED if name is not None and self.fault != "ignored" else 0)
        if self.fault == "merged" and name is not None:
            self.merged = ADDED
        if self.fault == "random":
            number += self.asked
        return self.answer(200, f"{number}\n".encode())

    def answer(self, status: int, body: bytes = b"") -> Answer:
        return Answer(status=status, content_type="text/csv", body=body)


def hosted(client: Adapters, payloads: tuple[Payload, ...] = ()) -> Serving:
    return server(cast("HttpClient", client), payloads=payloads)


def verdicts(fault: str, payloads: tuple[Payload, ...]) -> dict[str, str]:
    """What the clauses come to, without those that pass."""
    serving = hosted(Adapters(fault=fault), payloads)
    results = [checks.run(each, serving) for each in checks_of(adapters)]
    merged = [
        checks.merged(each for each in results if each.clause == id_)
        for id_ in ("ADAPT-01", "ADAPT-02", "ADAPT-03")
    ]
    return {each.clause: each.status.value for each in merged if each.status.value != "pass"}


@pytest.fixture
def payload(tmp_path: Path) -> Payload:
    (tmp_path / "in.csv").write_text("0\n")
    return Payload(content_type="text/csv", body=str(tmp_path / "in.csv"))


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        pytest.param("", {}, id="good"),
        pytest.param("created", {}, id="any answer of success is good"),
        pytest.param("random", {}, id="answers that differ each time prove nothing"),
        pytest.param("no route", {"ADAPT-01": "fail", "ADAPT-02": "skip", "ADAPT-03": "skip"}, id="no route"),
        pytest.param("once", {"ADAPT-01": "fail", "ADAPT-02": "skip"}, id="is loaded once only"),
        pytest.param("never unloads", {"ADAPT-01": "fail", "ADAPT-02": "skip"}, id="is never unloaded"),
        pytest.param("ping", {"ADAPT-01": "fail"}, id="not healthy with an adapter"),
        pytest.param("ignored", {"ADAPT-02": "warn"}, id="the header is ignored"),
        pytest.param("refuses", {"ADAPT-02": "fail"}, id="the adapter does not answer"),
        pytest.param("unknown", {"ADAPT-02": "warn"}, id="an unknown adapter is the base"),
        pytest.param("no base", {"ADAPT-02": "skip", "ADAPT-03": "fail"}, id="the base is gone"),
        pytest.param("the last for all", {"ADAPT-02": "warn", "ADAPT-03": "fail"}, id="the last adapter answers for the base"),
        pytest.param("merged", {"ADAPT-03": "fail"}, id="the adapter stays in the base"),
    ],
)  # fmt: skip
def test_adapters(
    fault: str, found: dict[str, str], payload: Payload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildkit.contract.hosting.server.PING_PAUSE", 0)
    assert verdicts(fault, (payload,)) == found


def test_the_base_has_to_give_its_declared_answer(payload: Payload, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("2.0\n")
    declared = dataclasses.replace(payload, answer=str(tmp_path / "out.csv"))
    assert verdicts("", (declared,)) == {"ADAPT-03": "fail"}


def test_adapters_need_a_payload_to_be_judged() -> None:
    assert verdicts("", ()) == {"ADAPT-02": "skip", "ADAPT-03": "skip"}


def test_adapters_need_a_sample() -> None:
    subject = Subject(image="a", architecture=None, purpose=Purpose.BOTH, samples=Samples())
    bench = cast("Any", dataclasses.make_dataclass("Bench", ["subject"])(subject))
    with pytest.raises(Unsampled, match="the samples have no adapter"):
        adapters.served.stage(bench).__enter__()


@pytest.mark.parametrize(
    ("module", "feature", "serves"),
    [
        (adapters, Feature.ADAPTERS, True),
        (remote, Feature.REMOTE_FUNCTION, False),
        (hyperpod, Feature.HYPERPOD, False),
    ],
)
def test_only_images_that_promise_it_are_judged(
    module: Any, feature: Feature, serves: bool
) -> None:
    purpose = Purpose.INFERENCE if serves else Purpose.TRAINING
    silent = Subject(image="a", architecture=None, purpose=purpose, samples=Samples())
    promising = dataclasses.replace(silent, features=frozenset([feature]))
    for each in checks_of(module):
        assert str(excuse(each, silent)) == f"not promised: {feature.value}"
        assert excuse(each, promising) is None


MISSING = Refusal("/bin/bash: no such file or directory")


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        pytest.param({"tree": (file(remote.LEFT, b"3.11 with\n"),)}, ("pass", "call @remote and @step from Python 3.11, as in the image"), id="good"),
        pytest.param({"tree": (file(remote.LEFT, b"3.12 without\n"),)}, ("pass", "call @remote and @step from Python 3.12, as in the image, and pass no `dependencies`: the image has no pip"), id="no pip"),
        pytest.param({"tree": ()}, ("warn", "the driver of @remote ended with 0"), id="leaves nothing"),
        pytest.param({"tree": (file(remote.LEFT, b""),)}, ("warn", "`python` does not print its version last: the driver wrote ''"), id="an empty file"),
        pytest.param({"tree": (file(remote.LEFT, b"good bye with\n"),)}, ("warn", "`python` does not print its version last: the driver wrote 'good bye with\\n'"), id="another last line"),
        pytest.param({"exit_code": 3, "tree": ()}, ("warn", "the driver of @remote ended with 3"), id="a program is missing"),
        pytest.param({"refusal": MISSING, "exit_code": None}, ("warn", "the driver of @remote could not be started: /bin/bash"), id="no bash"),
    ],
)  # fmt: skip
def test_a_remote_function(changes: dict[str, Any], found: tuple[str, str]) -> None:
    result = checks.run(remote.function_finds_its_programs, dataclasses.replace(GOOD, **changes))
    assert result.status.value == found[0]
    if found[0] == "pass":
        assert result.message == found[1]
    assert result.message.startswith(found[1])


@pytest.mark.process
def test_the_driver_takes_the_last_line_of_python(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/bash\necho activating env\necho 3.11\n")
    python.chmod(0o755)
    script = remote.SCRIPT.decode().replace("/opt/ml", str(tmp_path))
    environment = {"PATH": f"{tmp_path}:{os.defpath}"}
    subprocess.run(["bash", "-c", script], env=environment, check=True)
    assert (tmp_path / remote.LEFT).read_bytes() == b"3.11 with\n"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        pytest.param({}, "pass", id="good"),
        pytest.param({"exit_code": 1, "log": "No module named 'torch'"}, "fail", id="no PyTorch"),
        pytest.param({"refusal": Refusal("hyperpodrun: not found")}, "fail", id="no launcher"),
    ],
)
def test_the_launcher_of_hyperpod(changes: dict[str, Any], found: str) -> None:
    result = checks.run(hyperpod.launcher_starts, dataclasses.replace(GOOD, **changes))
    assert result.status.value == found
    assert (found == "pass") == ("`hyperpodrun --help`" not in result.message)


def test_an_adapter_is_named_by_its_folder() -> None:
    client = Adapters()
    adapters.load(hosted(client))
    assert client.loaded == {adapters.NAME: adapters.FOLDER}
