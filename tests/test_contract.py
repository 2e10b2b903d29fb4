"""The judgement of clauses on things observed; the observing is proven on real containers."""

from __future__ import annotations

import dataclasses
import io
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from buildkit import verify
from buildkit.contract import answers, clause, image, job, kit, serving, training
from buildkit.contract.world import ImageView
from buildkit.errors import ContractError
from buildkit.model import Level, Payload, Purpose, Samples, Status
from tests import fakes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from buildkit.model import ClauseResult


def statuses(results: list[ClauseResult]) -> dict[str, str]:
    return {
        result.id: result.status.value for result in results if result.status is not Status.PASS
    }


def archive(*names: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()


VIEW = ImageView(id="x", os="linux", architecture="amd64", user="", entrypoint=())
STILL = image.StillImage(view=VIEW, architecture="amd64", shell=None, opt_ml=None)


def program(machine: int) -> bytes:
    """The beginning of an ELF program."""
    return b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little") + bytes(44)


@pytest.mark.parametrize(
    ("shell", "broken"),
    [
        (program(62), {}),
        (program(183), {"IMG-01": "fail"}),
        (program(243), {"IMG-01": "fail"}),
        (b"#!/bin/busybox", {}),
        (b"", {}),
    ],
)
def test_an_image_that_lies_about_its_processor(shell: bytes, broken: dict[str, str]) -> None:
    """A base that was imported under the wrong platform builds and even runs, here."""
    still = dataclasses.replace(STILL, shell=shell)
    assert statuses(clause.judge(image.CLAUSES, still)) == broken


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, {}),
        ({"architecture": "arm64"}, {"IMG-01": "fail"}),
        ({"os": "windows"}, {"IMG-01": "fail"}),
        ({"user": "1000"}, {"IMG-05": "fail"}),
        ({"user": "0:0"}, {}),
        ({"entrypoint": ("/bin/sh", "-c", "python serve.py")}, {"RUN-04": "fail"}),
        ({"entrypoint": ("tini", "--")}, {"RUN-05": "fail"}),
        ({"entrypoint": ("/usr/bin/tini", "--", "python", "/main.py")}, {}),
        ({"entrypoint": ("python", "/main.py")}, {}),
    ],
)
def test_a_still_image(changes: dict[str, Any], broken: dict[str, str]) -> None:
    still = dataclasses.replace(STILL, view=dataclasses.replace(VIEW, **changes))
    assert statuses(clause.judge(image.CLAUSES, still)) == broken


def test_files_baked_under_opt_ml_are_named_but_a_script_may_be_there() -> None:
    still = dataclasses.replace(STILL, opt_ml=archive("ml/code/train.py"))
    assert statuses(clause.judge(image.CLAUSES, still)) == {}
    still = dataclasses.replace(STILL, opt_ml=archive("ml/model/model.bin"))
    (result,) = [r for r in clause.judge(image.CLAUSES, still) if r.id == "IMG-06"]
    assert result.status is Status.FAIL
    assert "/opt/ml/model/model.bin" in result.message


GOOD = training.Run(
    refusal=None,
    exit_code=0,
    seconds=1.0,
    log="loss=1",
    model=b"",
    model_files=("model.json",),
    failure=None,
)
FAILED = dataclasses.replace(GOOD, exit_code=1, failure=b"no data", model_files=())
STOPPED = dataclasses.replace(GOOD, exit_code=143)


def trained(
    good: dict[str, Any] | None = None,
    failed: dict[str, Any] | None = None,
    stopped: dict[str, Any] | None = None,
) -> training.Training:
    return training.Training(
        good=dataclasses.replace(GOOD, **(good or {})),
        failed=dataclasses.replace(FAILED, **(failed or {})),
        stopped=dataclasses.replace(STOPPED, **(stopped or {})),
    )


@pytest.mark.parametrize(
    ("seen", "broken"),
    [
        pytest.param(trained(), {}, id="good"),
        pytest.param(
            trained({"refusal": "no such file", "exit_code": None, "model_files": ()}),
            {"RUN-01": "fail", "OUT-01": "skip", "OUT-03": "skip"},
            id="does not start",
        ),
        pytest.param(
            trained({"exit_code": 127, "model_files": ()}),
            {"RUN-01": "fail", "OUT-01": "fail", "OUT-03": "skip"},
            id="no such program",
        ),
        pytest.param(
            trained({"exit_code": None, "model_files": ()}),
            {"OUT-01": "fail", "OUT-03": "skip"},
            id="never ends",
        ),
        pytest.param(trained({"model_files": ()}), {"OUT-03": "fail"}, id="no model"),
        pytest.param(trained({"failure": b"x"}), {"OUT-02": "fail"}, id="failure after success"),
        pytest.param(trained({"log": " \n"}), {"LOG-01": "warn"}, id="silent"),
        pytest.param(
            trained(failed={"exit_code": 0}),
            {"OUT-01": "fail", "OUT-02": "skip"},
            id="hides failure",
        ),
        pytest.param(trained(failed={"failure": None}), {"OUT-02": "fail"}, id="no reason"),
        pytest.param(trained(failed={"failure": b" ..\n"}), {"OUT-02": "fail"}, id="empty reason"),
        pytest.param(
            trained(stopped={"exit_code": 137}), {"RUN-08": "fail"}, id="had to be killed"
        ),
    ],
)
def test_a_training(seen: training.Training, broken: dict[str, str]) -> None:
    assert statuses(clause.judge(training.CLAUSES, seen)) == broken


class FakeClient:
    """Answers as told: what `/ping` says, what `/invocations` says."""

    def __init__(self, ping: int = 200, status: int = 200, body: bytes = b"1.0\n") -> None:
        self.ping, self.status, self.body = ping, status, body

    def ask(
        self,
        method: str,
        path: str,
        *,
        seconds: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> serving.Answer:
        if path == "/ping":
            return serving.Answer(status=self.ping, content_type="", body=b"")
        return serving.Answer(status=self.status, content_type="text/csv", body=self.body)


@pytest.fixture
def payload(tmp_path: Path) -> Payload:
    (tmp_path / "in.csv").write_text("0\n")
    (tmp_path / "out.csv").write_text("1\n")
    return Payload(
        content_type="text/csv", body=str(tmp_path / "in.csv"), answer=str(tmp_path / "out.csv")
    )


@pytest.mark.parametrize(
    ("client", "changes", "broken"),
    [
        pytest.param(FakeClient(), {}, {}, id="good"),
        pytest.param(FakeClient(ping=500), {}, {"SERVE-02": "fail", "SERVE-14": "fail"}, id="ping"),
        pytest.param(
            FakeClient(status=500), {}, {"SERVE-06": "fail", "SERVE-14": "fail"}, id="invocations"
        ),
        pytest.param(FakeClient(body=b"2\n"), {}, {"SERVE-06": "fail"}, id="wrong"),
        pytest.param(
            FakeClient(),
            {"healthy_after": None},
            {"SERVE-03": "fail", "SERVE-02": "skip", "SERVE-06": "skip", "SERVE-14": "skip"},
            id="never healthy",
        ),
        pytest.param(FakeClient(), {"exit_code": 0}, {"RUN-02": "fail"}, id="ends by itself"),
        pytest.param(FakeClient(), {"payloads": ()}, {"SERVE-06": "skip"}, id="no sample"),
    ],
)
def test_a_server(
    client: FakeClient, changes: dict[str, Any], broken: dict[str, str], payload: Payload
) -> None:
    facts: dict[str, Any] = {
        "refusal": None, "healthy_after": 1.0, "exit_code": None, "log": "",
        "client": client, "payloads": (payload,),
    }  # fmt: skip
    seen = serving.Serving(**{**facts, **changes})
    assert statuses(clause.judge(serving.CLAUSES, seen)) == broken


class SlowClient(FakeClient):
    """Leaves the first so many requests without an answer."""

    def __init__(self, slow: int) -> None:
        super().__init__()
        self.slow = slow

    def ask(self, method: str, path: str, **arguments: Any) -> serving.Answer:
        self.slow -= 1
        if self.slow >= 0:
            raise clause.Broken("GET /ping got no answer in 2 s")
        return super().ask(method, path, **arguments)


@pytest.mark.parametrize(("slow", "broken"), [(1, {}), (2, {"SERVE-02": "fail"})])
def test_one_slow_ping_is_forgiven_and_two_are_not(slow: int, broken: dict[str, str]) -> None:
    seen = serving.Serving(
        refusal=None,
        healthy_after=1.0,
        exit_code=None,
        log="",
        client=SlowClient(slow),
        payloads=(),
    )
    (ping,) = [each for each in serving.CLAUSES if each.id == "SERVE-02"]
    assert statuses(clause.judge([ping], seen)) == broken


@pytest.mark.parametrize(
    ("content_type", "found", "wanted", "same"),
    [
        ("text/csv", b"1\n2\n", b"1.0\r\n2.0\r\n", True),
        ("text/csv", b"1\n2\n", b"2\n1\n", False),
        ("text/csv", b"a,1\n", b"a,1", True),
        ("text/csv; charset=utf-8", b"0.3333333333", b"0.333333333", True),
        ("application/json", b'{"a": [1, 2.0]}', b'{ "a":[1.0,2] }', True),
        ("application/json", b'{"a": 1}', b'{"b": 1}', False),
        ("application/json", b"[1", b"[1]", False),
        ("image/png", b"\x00", b"\x00", True),
        ("image/png", b"\x00", b"\x01", False),
    ],
)
def test_answers_are_compared_as_values(
    content_type: str, found: bytes, wanted: bytes, same: bool
) -> None:
    assert answers.same(content_type, found, wanted) is same


def test_the_tree_of_a_training_job_is_what_sagemaker_lays_out(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.csv").write_text("1")
    samples = Samples(hyperparameters=(("epochs", "3"),), code=str(tmp_path / "deep"))
    tree = job.training_tree(samples, [("training", str(tmp_path))])
    with tarfile.open(fileobj=io.BytesIO(tree)) as tar:
        members = {member.name: member for member in tar}
    assert {
        "input/config/hyperparameters.json", "input/config/inputdataconfig.json",
        "input/config/resourceconfig.json", "input/data/training/deep/a.csv", "model",
        "output/data", "code/a.csv",
    } <= members.keys()  # fmt: skip
    assert {m.mode for m in members.values() if m.isfile()} == {0o644}
    assert {m.mode for m in members.values() if m.isdir()} == {0o755}


def test_a_report_passes_with_warnings_and_fails_with_one_failure() -> None:
    warned = fakes.report(fakes.clause(), fakes.clause(Status.WARN, level=Level.RECOMMENDED))
    assert warned.passed
    failed = fakes.report(fakes.clause(), fakes.clause(Status.FAIL, message="because"))
    assert not failed.passed
    error = verify.refusal(failed)
    assert isinstance(error, ContractError)
    assert "because" in error.details
    assert "make it start" in error.details


def test_the_suite_s_fingerprint_follows_the_samples_but_not_their_place(tmp_path: Path) -> None:
    found = []
    for folder, text in (("one", "1"), ("two", "1"), ("three", "2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").write_text(text)
        samples = Samples(channels=(("training", str(tmp_path / folder)),))
        found.append(fingerprint(samples))
    assert found[0] == found[1] != found[2]


def fingerprint(samples: Samples, **changes: Any) -> str:
    subject = kit.Subject(image="demo", architecture="amd64", purpose=Purpose.BOTH, samples=samples)
    return verify.fingerprint(dataclasses.replace(subject, **changes))


def test_an_image_that_was_tested_for_training_is_not_tested_for_inference() -> None:
    found = {
        fingerprint(Samples()),
        fingerprint(Samples(), purpose=Purpose.TRAINING),
        fingerprint(Samples(), architecture="arm64"),
        fingerprint(Samples(hyperparameters=(("a", "1"),))),
    }
    assert len(found) == 4
    assert fingerprint(Samples(), image="another name") in found
