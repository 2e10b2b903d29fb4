"""One mistake is one cause: clauses that fail together for it are named as what follows."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from buildkit.contract import causes, checks
from buildkit.contract.checks import Broken, Unseen
from buildkit.contract.endpoints import batch, multi_model, pipeline
from buildkit.contract.engine import Line
from buildkit.contract.hosting import load, serverless, serving, surroundings
from buildkit.contract.hosting.client import Health
from buildkit.contract.hosting.reference_server import Plain
from buildkit.contract.hosting.surroundings import Writable
from buildkit.contract.hosting.traffic import Loaded
from buildkit.contract.image import accelerators, basics, metadata
from buildkit.contract.jobs import configuration, training, variants
from buildkit.contract.jobs.variations import Bundle
from buildkit.contract.signs import Sign
from buildkit.contract.suite import checks_of
from buildkit.model.features import Feature
from buildkit.model.target import Samples
from tests.unit.contract.test_contract import FAILED, GOOD, FakeClient, file, server
from tests.unit.contract.test_contract_hosting import still

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.contract.checks import Check, Judged
    from buildkit.contract.hosting.server import Serving
    from buildkit.contract.jobs.training_runs import Run

REFUSED = Broken("GET /ping got no whole answer: refused", Sign.PING, Sign.NOT_WHOLE)
SILENT = Health(after=None, last=None, error=REFUSED, waited=240)


def judged(wanted: Sequence[Check[Any]], observed: object) -> dict[str, Judged]:
    """The verdict on each clause, with its cause."""
    found: dict[str, list[Judged]] = {}
    for each in wanted:
        found.setdefault(each.clause, []).append(checks.run(each, observed))
    named = causes.named(checks.merged(results) for results in found.values())
    return {each.clause: each for each in named}


def status(results: dict[str, Judged], clause: str) -> str:
    """`fail`, or the clause that explains a skip."""
    found = results[clause]
    return found.cause or found.status.value


@pytest.mark.parametrize(
    ("health", "waiting"),
    [
        ("BATCH-01", "BATCH-05"),
        ("PIPE-02", "PIPE-03"),
        ("MME-01", "MME-02"),
        ("SLS-01", "SLS-04"),
    ],
)
def test_a_server_that_a_feature_keeps_from_health_is_the_cause_of_its_clauses(
    health: str, waiting: str
) -> None:
    waits = checks.judged(waiting, checks.hindered("never healthy", Sign.UNHEALTHY))
    ill = checks.judged(health, Broken("it ended", Sign.UNHEALTHY))
    assert causes.named([ill, waits])[1].cause == health
    other = checks.judged(health, Broken("no label", Sign.NO_LABEL))
    assert causes.named([other, waits])[1].cause == ""
    plain = checks.judged("RUN-02", Broken("it ended", Sign.NOT_RUNNING))
    assert causes.named([plain, ill, waits])[2].cause == "RUN-02"


@pytest.mark.parametrize(
    "check", [batch.healthy, multi_model.healthy_without_models, serverless.one_worker]
)
def test_who_is_not_healthy_says_so(check: Check[Any]) -> None:
    found = checks.run(check, server(FakeClient(), health=SILENT))
    assert Sign.UNHEALTHY in found.signs


def test_a_server_that_listens_nowhere_is_one_cause() -> None:
    found = judged(checks_of(serving), server(FakeClient(), health=SILENT))
    assert status(found, "SERVE-01") == "fail"
    assert status(found, "RUN-02") == "pass"
    for clause in ("SERVE-02", "SERVE-03", "SERVE-06", "SERVE-14", "RUN-09"):
        assert status(found, clause) == "SERVE-01"
    assert "no HTTP answer from port 8080 in 240 s" in found["SERVE-01"].message


def test_a_server_that_answers_without_200_is_late_and_not_on_a_wrong_port() -> None:
    last = FakeClient(ping=503).ask("GET", "/ping")
    late = server(FakeClient(), health=Health(after=None, last=last, waited=240))
    found = judged(checks_of(serving), late)
    assert (status(found, "SERVE-01"), status(found, "SERVE-03")) == ("pass", "fail")
    assert status(found, "SERVE-02") == "SERVE-03"


def test_a_server_that_has_ended_is_not_blamed_for_its_port() -> None:
    found = judged(checks_of(serving), server(FakeClient(), health=SILENT, exit_code=1))
    assert status(found, "RUN-02") == "fail"
    assert status(found, "SERVE-01") == status(found, "SERVE-03") == "RUN-02"


def read_only(seen: Serving) -> Writable:
    plain = Plain(first=None, fault="it ended", log="", signs=seen.signs)
    return Writable(plain=plain, works_writable=True)


@pytest.mark.parametrize("exit_code", [1, None])
def test_a_server_that_needs_a_writable_model_is_the_cause_of_its_end(
    exit_code: int | None,
) -> None:
    seen = server(FakeClient(), health=SILENT, exit_code=exit_code)
    own = checks.run(surroundings.read_only_is_enough, read_only(seen))
    results = [checks.run(each, seen) for each in checks_of(serving)]
    found = {each.clause: each for each in causes.named([*results, own])}
    assert status(found, "SERVE-17") == "fail"
    ends = {"RUN-02", "SERVE-01", "SERVE-03"} - ({"RUN-02"} if exit_code is None else set())
    assert {status(found, each) for each in ends} == {"SERVE-17"}


DENIED = "PermissionError: [Errno 13] Permission denied: '/opt/ml/model/model.json'"


def fails(*texts: str) -> Run:
    lines = tuple(Line(at=0.0, text=text) for text in texts)
    return replace(FAILED, lines=lines, tree=())


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        pytest.param(DENIED, "IMG-05", id="Python"),
        pytest.param(
            "sh: 1: cannot create /opt/ml/model/m: Permission denied", "IMG-05", id="a shell"
        ),
        pytest.param("PermissionError: Permission denied: '/srv'", "fail", id="elsewhere"),
    ],
)
def test_a_run_without_access_follows_from_the_user_of_the_image(said: str, cause: str) -> None:
    run = fails(said)
    user = checks.run(basics.runs_as_root, still(user="1000"))
    states = checks.run(training.success_is_zero, run)
    silent = checks.run(training.failure_leaves_its_reason, run)
    found = {each.clause: each for each in causes.named([user, states, silent])}
    assert found["OUT-01"].status.value == "fail"
    assert status(found, "OUT-01") == status(found, "OUT-02") == cause
    assert GOOD.signs == ()


BENCH: Any = SimpleNamespace(subject=SimpleNamespace(samples=Samples()))


def test_a_mode_that_only_root_can_enter_is_one_cause() -> None:
    for said, root, mode in ((DENIED, "fail", "IMG-05"), ("AssertionError", "skip", "warn")):
        run = fails(said)
        seen = Bundle(bench=BENCH, plain=GOOD, together=run, _alone={variants.modes: run})
        found = judged([configuration.bears_real_modes, configuration.trains_as_root], seen)
        assert (status(found, "IMG-05"), status(found, "TREE-05")) == (root, mode)


def test_a_long_value_is_one_cause() -> None:
    alone = {variants.unknown: fails("too long"), variants.unknown_short: GOOD}
    seen = Bundle(bench=BENCH, plain=GOOD, together=fails("too long"), _alone=alone)
    found = judged([configuration.bears_long_values, configuration.bears_unknown_names], seen)
    assert (status(found, "CFG-01"), status(found, "CFG-03")) == ("fail", "CFG-01")


def test_a_driver_is_one_cause() -> None:
    wanted = [accelerators.no_driver, accelerators.no_driver_library]
    program = judged(wanted, still({"/usr/bin/nvidia-smi": "x"}))
    assert (status(program, "IMG-09"), status(program, "GPU-01")) == ("fail", "IMG-09")
    library = judged(wanted, still({"/usr/lib64/libcuda.so.1": "x"}))
    assert (status(library, "IMG-09"), status(library, "GPU-01")) == ("pass", "fail")


@pytest.mark.parametrize(
    ("labels", "promised", "found"),
    [
        pytest.param({}, True, ("fail", "PIPE-01"), id="missing"),
        pytest.param({"accept-bind-to-port": "yes"}, True, ("fail", "PIPE-01"), id="not true"),
        pytest.param(
            {"multi-models": "yes"}, True, ("fail", "fail"), id="another one is not true, either"
        ),
        pytest.param(
            {"multi-models": "yes", "accept-bind-to-port": "true"}, True, ("pass", "fail"),
            id="only another one",
        ),
    ],
)  # fmt: skip
def test_a_label_that_is_missing_is_one_cause(
    labels: dict[str, str], promised: bool, found: tuple[str, str]
) -> None:
    prefix = "com.amazonaws.sagemaker.capabilities"
    image = still(
        labels={f"{prefix}.{name}": value for name, value in labels.items()},
        features=frozenset([Feature.BIND_TO_PORT] if promised else []),
    )
    results = judged([pipeline.has_label, metadata.labels_are_true], image)
    assert (status(results, "PIPE-01"), status(results, "IMG-07")) == found


def test_requests_that_end_a_server_are_one_cause() -> None:
    ended = Loaded(serving=server(FakeClient(), exit_code=None), first=None)
    container: Any = ended.serving.container
    container.wait = lambda _seconds: 5
    with pytest.raises(Broken) as caught:
        ended.still_good("aborted connections")
    rough = checks.judged("SERVE-14", caught.value)
    with pytest.raises(Unseen) as hindered:
        ended.need_life()
    waits = checks.judged("SERVE-10", hindered.value)
    up = checks.run(load.stays_up, ended)
    found = {each.clause: each for each in causes.named([rough, up, waits])}
    assert status(found, "SERVE-14") == "fail"
    assert status(found, "SERVE-05") == status(found, "SERVE-10") == "SERVE-14"
    alone = {each.clause: each for each in causes.named([up, waits])}
    assert (status(alone, "SERVE-05"), status(alone, "SERVE-10")) == ("fail", "SERVE-05")
    pings = checks.judged("SERVE-14", REFUSED)
    other = {each.clause: each for each in causes.named([pings, up, waits])}
    assert status(other, "SERVE-10") == "SERVE-05", "bad input did not end the server"


def test_a_server_that_keeps_8080_is_one_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    table = "  sl  local_address rem_address st\n   0: 00000000:1F90 00000000:0000 0A\n"
    first = server(FakeClient())
    container: Any = first.container
    container.execute = lambda *_: (0, table)
    container.address = lambda port: ("127.0.0.1", port)
    monkeypatch.setattr(pipeline, "_answers", lambda _client: True)
    found = judged([pipeline.leaves_8080_alone, pipeline.keeps_to_its_ports], (first, first))
    assert (status(found, "PIPE-02"), status(found, "PIPE-03")) == ("fail", "PIPE-02")


@pytest.mark.parametrize(
    ("cause", "sign", "follower"),
    [
        ("ENV-05", Sign.CACHED, "WARM-01"),
        ("LOG-02", Sign.BUFFERED, "ENV-06"),
        ("SERVE-09", Sign.TOO_LARGE, "ASYNC-01"),
        ("SLS-01", Sign.UNHEALTHY, "SLS-04"),
        ("STREAM-02", Sign.NO_WEBSOCKET, "STREAM-04"),
    ],
)
def test_a_pair_that_fails_together_is_one_cause(cause: str, sign: Sign, follower: str) -> None:
    first, second = (checks.judged(each, Broken("no", sign)) for each in (cause, follower))
    found = {each.clause: each for each in causes.named([second, first])}
    assert status(found, follower) == cause
    assert found[cause].cause == ""


def test_a_processing_job_follows_from_what_explains_it() -> None:
    says_why = checks.judged("PROC-04", Broken("reads", Sign.PROCESSING_FAILS))
    states = checks.judged("PROC-02", Broken("ended with 1", Sign.PROCESSING_FAILS))
    waits = checks.judged("RUN-10", checks.hindered("it fails", Sign.PROCESSING_FAILS))
    first, second, third = causes.named([states, waits, says_why])
    assert (first.status, first.cause) == (states.status, "PROC-04")
    assert (second.cause, third.cause) == ("PROC-04", "")
    assert causes.named([states, waits])[1].cause == "PROC-02"
    never_fails = checks.judged("PROC-02", Broken("hangs", Sign.FAILURE_UNSEEN))
    both = checks.merged([states, never_fails])
    assert causes.named([both, says_why])[0].cause == ""


def test_no_cause_follows_from_what_follows_from_it() -> None:
    """Else the search for the first cause would not end."""
    below = {each.clause: set[str]() for each in causes.CAUSES}
    for each in causes.CAUSES:
        below[each.clause] |= each.followers

    def reach(clause: str, path: tuple[str, ...]) -> None:
        assert clause not in path, path
        for follower in below.get(clause, ()):
            reach(follower, (*path, clause))

    for clause in below:
        reach(clause, ())


def test_files_left_by_a_successful_run_at_the_place_of_the_reason() -> None:
    folder = file("output/failure", kind="folder")
    lost = file("output/failure/rows.csv")
    wanted = [training.success_leaves_no_reason, training.nothing_is_lost]
    tree = (*(GOOD.tree or ()), folder)
    empty = judged(wanted, replace(GOOD, tree=tree))
    assert (status(empty, "OUT-02"), status(empty, "OUT-05")) == ("warn", "pass")
    assert "regular file" in empty["OUT-02"].result.hint
    full = judged(wanted, replace(GOOD, tree=(*tree, lost)))
    assert (status(full, "OUT-02"), status(full, "OUT-05")) == ("warn", "fail")
    assert "/opt/ml/output/failure/rows.csv" in full["OUT-05"].message
    toolkit = (*(GOOD.tree or ()), file("output/success"), file("output/tensors/a"))
    assert judged(wanted[1:], replace(GOOD, tree=toolkit))["OUT-05"].status.value == "pass"
