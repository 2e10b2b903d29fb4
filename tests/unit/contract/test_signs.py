"""What checks see is in their signs, from which hints and causes follow."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from buildkit.contract import checks
from buildkit.contract.endpoints import batch
from buildkit.contract.engine import Refusal
from buildkit.contract.hosting import serving
from buildkit.contract.hosting.client import Health
from buildkit.contract.image import basics
from buildkit.contract.jobs import stopped, training, training_runs, variations
from buildkit.contract.jobs.endings import Signalled
from buildkit.contract.signs import Sign
from buildkit.model.target import Payload
from tests.unit.contract.test_contract import FAILED, GOOD, FakeClient, file, server
from tests.unit.contract.test_unfit import held

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.contract.checks import Check


def signs(check: Check[Any], observed: object) -> set[Sign]:
    return set(checks.run(check, observed).signs)


@pytest.mark.parametrize(
    ("check", "changes", "found"),
    [
        (training.starts, {"refusal": Refusal("no", (Sign.EMPTY_PATH,))}, {Sign.EMPTY_PATH}),
        (training.starts, {"exit_code": 126}, {Sign.NOT_EXECUTABLE}),
        (training.success_is_zero, {"exit_code": 3}, {Sign.SAMPLES_FAIL}),
        (
            training.success_is_zero,
            {"exit_code": 137, "tree": (file("output/failure", b"no"),)},
            {Sign.SAMPLES_FAIL, Sign.OUT_OF_MEMORY, Sign.GAVE_REASON},
        ),
        (training.failure_is_not_zero, {}, {Sign.FAILURE_UNSEEN}),
        (
            training.success_leaves_no_reason,
            {"tree": (file("output/failure"),)},
            {Sign.REASON_LEFT},
        ),
        (training.small_shared_memory, {"exit_code": 135}, {Sign.SHARED_MEMORY}),
        (training.small_shared_memory, {"exit_code": 1, "log": "bus error"}, {Sign.SHARED_MEMORY}),
        (training.needs_no_privilege, {"exit_code": 1, "log": "/dev/fuse"}, set()),
    ],
)
def test_a_run_of_train_shows(check: Check[Any], changes: dict[str, Any], found: set[Sign]) -> None:
    assert signs(check, dataclasses.replace(GOOD, **changes)) == found


@pytest.mark.parametrize(
    ("left", "found"),
    [
        (file("output/failure", b"", kind="pipe"), Sign.REASON_NO_FILE),
        (file("failure", b"no data"), Sign.REASON_ELSEWHERE),
        (file("output/failure", b"\xff"), Sign.REASON_UNCLEAR),
        (file("output/failure", b"--"), Sign.REASON_UNCLEAR),
    ],
)
def test_a_reason_that_cannot_be_used_shows(left: Any, found: Sign) -> None:
    run = dataclasses.replace(FAILED, tree=(left,))
    assert signs(training.failure_leaves_its_reason, run) == {found}


def test_a_variant_that_fails_shows_how_it_ended() -> None:
    with pytest.raises(checks.Broken) as caught:
        variations.blame(GOOD, dataclasses.replace(GOOD, exit_code=139), "x")
    assert caught.value.signs == (Sign.CRASHED,)


@pytest.mark.parametrize(("run", "found"), [(GOOD, ()), (FAILED, (Sign.SAMPLES_FAIL,))])
def test_a_run_without_a_model_folder_shows_that_it_failed_only_if_it_did(
    run: Any, found: tuple[Sign, ...]
) -> None:
    bench: Any = SimpleNamespace(once=lambda _make: (run, None))
    with pytest.raises(checks.Unseen) as caught:
        training_runs.trained_model(bench)
    assert tuple(caught.value.signs) == found


def test_a_run_that_is_stopped_shows_why_it_did_not_end() -> None:
    shell = Signalled(heard=False, first="/bin/sh train", others=1)
    run = dataclasses.replace(GOOD, killed="SIGKILL was needed", signalled=shell)
    seen = stopped.Stopped(whole=GOOD, run=run, reading=None, working=None, scripted=False)
    assert signs(stopped.stops_in_time, seen) == {Sign.FIRST_IS_SHELL}
    unheard = dataclasses.replace(run, killed="")
    seen = dataclasses.replace(seen, run=unheard)
    assert signs(stopped.stops_in_time, seen) == {Sign.FIRST_IS_SHELL}
    empty = dataclasses.replace(GOOD, tree=())
    whole = dataclasses.replace(GOOD, tree=(file("model/a"),))
    seen = dataclasses.replace(seen, whole=whole, working=empty)
    assert signs(stopped.saves_what_it_has, seen) == {Sign.WORK_LOST}


def test_a_server_that_does_not_answer_its_ping_shows_it() -> None:
    assert signs(serving.ping_answers, server(FakeClient(ping=503))) == {Sign.PING, Sign.UNTYPED}
    last = FakeClient(ping=404).ask("GET", "/ping")
    waits = server(FakeClient(), health=Health(after=None, last=last))
    assert Sign.NOT_FOUND in signs(serving.healthy_in_time, waits)
    assert "route" in checks.run(serving.healthy_in_time, waits).result.hint
    assert signs(serving.starts, server(FakeClient(), exit_code=132)) == {
        Sign.NOT_RUNNING,
        Sign.CRASHED,
    }


def test_a_wrong_answer_shows(tmp_path: Path) -> None:
    body, wanted = tmp_path / "a.csv", tmp_path / "wanted.csv"
    body.write_text("1\n")
    wanted.write_text("2.0\n")
    payload = Payload(content_type="text/csv", body=str(body), answer=str(wanted))
    for status, found in ((200, {Sign.WRONG_ANSWER}), (413, {Sign.TOO_LARGE})):
        seen = server(FakeClient(status=status), payloads=(payload,))
        assert signs(serving.invocations_answer, seen) == found
        assert signs(batch.answers, seen) == found


def test_a_path_that_is_no_folder_shows() -> None:
    blocked = {Sign.BLOCKED, Sign.NO_FOLDER}
    image = held(__opt__ml="folder", __opt__ml__model="pipe", __tmp="link /nowhere")
    assert signs(basics.model_is_a_folder, image) == blocked
    assert signs(basics.opt_ml_is_made_of_folders, held(__opt="file")) == blocked
    assert signs(basics.opt_ml_is_made_of_folders, held(__opt__ml__input="pipe")) == blocked
    assert signs(basics.tmp_is_a_folder, image) == {Sign.NO_FOLDER}
    taken = dataclasses.replace(image, opt_ml=(file("ml/output/failure", kind="pipe"),))
    assert signs(basics.opt_ml_is_free, taken) == {Sign.PLACE_TAKEN}
