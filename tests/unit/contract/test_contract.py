"""The judgement of clauses on things observed; the observing is proven on real containers."""

from __future__ import annotations

import dataclasses
import io
import re
import runpy
import tarfile
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from buildkit.contract import archive, checks, comparison, runner, scenario, suite
from buildkit.contract.clauses import Shape, clauses
from buildkit.contract.engine import Entry, ImageView, Line, Process, Refusal
from buildkit.contract.hosting import serving
from buildkit.contract.hosting.client import Answer, Health, HttpClient
from buildkit.contract.hosting.server import Serving
from buildkit.contract.image import basics
from buildkit.contract.jobs import training, training_job
from buildkit.contract.jobs.training_runs import Run
from buildkit.contract.machine import Limit
from buildkit.contract.suite import checks_of
from buildkit.model.features import Feature
from buildkit.model.image import Level, SkipKind, Status
from buildkit.model.target import Payload, Profile, Purpose, Samples
from buildkit.support.errors import ContractError
from buildkit.verify import fingerprint as suite_fingerprint
from buildkit.verify import verify
from tests.support import fakes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildkit.contract.checks import Check


ROOT = Path(__file__).parents[3]


def statuses(wanted: Sequence[Check[Any]], observed: object) -> dict[str, str]:
    """What is not passed, by clause."""
    found: dict[str, list[Any]] = {}
    for each in wanted:
        found.setdefault(each.clause, []).append(checks.run(each, observed))
    merged = [checks.merged(results) for results in found.values()]
    return {each.clause: each.status.value for each in merged if each.status is not Status.PASS}


def on(stage: object, wanted: Sequence[Check[Any]]) -> list[Check[Any]]:
    return [each for each in wanted if each.scenario is stage]


def file(name: str, content: bytes = b"1", **changes: Any) -> Entry:
    facts = {"kind": "file", "size": len(content), "mode": 0o644, "content": content, **changes}
    return Entry(name=name, **facts)


def tar(*names: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()


class FakeContainer:
    """A container that holds nothing, says nothing and ends when it is asked to."""

    id = "c"

    def logs(self) -> str:
        return ""

    def ended_by(self) -> str:
        return ""

    def look(self, path: str) -> None:
        return None

    def get(self, path: str) -> None:
        return None

    asked = False

    def wait(self, seconds: float) -> int | None:
        return 0 if self.asked else None

    stop_signal = "SIGTERM"

    def send(self, name: str) -> None:
        assert name == self.stop_signal
        self.asked = True

    def execute(self, *command: str) -> tuple[int, str]:
        return 127, ""

    def lines(self) -> tuple[Line, ...]:
        return ()

    def now(self) -> float:
        return 0.0

    def hears(self, name: str) -> bool:
        return True

    def processes(self) -> tuple[Process, ...]:
        return (Process(pid=1, state="S", command="serve"),)


CONTAINER: Any = FakeContainer()
MACHINE: Any = SimpleNamespace(limit=lambda _container, seconds: Limit(seconds=seconds))
VIEW = ImageView(id="x", os="linux", architecture="amd64", user="", entrypoint=())
STILL = basics.StillImage(
    reference="demo",
    view=VIEW,
    architecture="amd64",
    trains=True,
    serves=True,
    features=frozenset(),
    shell=b"",
    opt_ml=(),
    container=CONTAINER,
)


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
    assert statuses(checks_of(basics), still) == broken


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
    assert statuses(checks_of(basics), still) == broken


@pytest.mark.parametrize(
    ("trains", "features", "found"),
    [
        pytest.param(True, [], "fail", id="training without GPUs is for x86-64"),
        pytest.param(True, [Feature.GPU], "warn", id="ml.p6e-gb200 trains it"),
        pytest.param(False, [], "warn", id="Graviton hosts it"),
    ],
)
def test_an_arm64_image_of_an_undeclared_platform(
    features: list[Feature], found: str, *, trains: bool
) -> None:
    view = dataclasses.replace(VIEW, architecture="arm64")
    still = dataclasses.replace(
        STILL, view=view, architecture=None, trains=trains, features=frozenset(features)
    )
    assert statuses(checks_of(basics), still) == {"IMG-01": found}


def test_files_baked_under_opt_ml_are_named_but_a_script_may_be_there() -> None:
    still = dataclasses.replace(STILL, opt_ml=(file("ml/code/train.py"),))
    assert statuses(checks_of(basics), still) == {}
    still = dataclasses.replace(STILL, opt_ml=(file("ml/model/model.bin"),))
    with pytest.raises(checks.Broken, match="/opt/ml/model/model.bin"):
        basics.opt_ml_is_free.judge(still)


GOOD = Run(
    refusal=None,
    exit_code=0,
    seconds=1.0,
    log="loss=1",
    tree=(file("model/model.json"), file("output/data/plot.svg")),
)


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        pytest.param({}, {}, id="good"),
        pytest.param(
            {"refusal": Refusal("no such file"), "exit_code": None, "tree": ()},
            {"RUN-01": "fail", "OUT-01": "skip", "OUT-03": "skip", "LOG-01": "skip"},
            id="does not start",
        ),
        pytest.param(
            {"exit_code": 127, "tree": ()},
            {"RUN-01": "fail", "OUT-01": "skip", "OUT-03": "skip", "LOG-01": "skip"},
            id="no such program",
        ),
        pytest.param(
            {"exit_code": 1, "log": "exec /bin/train: no such file or directory\n", "tree": ()},
            {"RUN-01": "fail", "OUT-01": "skip", "OUT-03": "skip", "LOG-01": "skip"},
            id="its interpreter is missing",
        ),
        pytest.param(
            {"exit_code": 1, "log": "reading\nexec x: no such file or directory", "tree": ()},
            {"OUT-01": "fail", "OUT-03": "skip"},
            id="a program of its own is missing",
        ),
        pytest.param(
            {"exit_code": None, "tree": ()},
            {"OUT-01": "fail", "OUT-03": "skip"},
            id="never ends",
        ),
        pytest.param({"tree": ()}, {"OUT-03": "fail"}, id="no model"),
        pytest.param({"tree": None}, {"OUT-03": "skip"}, id="endless tree"),
        pytest.param(
            {"tree": (file("model/m"), file("model/up", kind="link", target="../../etc"))},
            {"OUT-03": "fail"},
            id="a link out of the model",
        ),
        pytest.param(
            {"tree": (*(GOOD.tree or ()), file("output/failure"))},
            {"OUT-02": "fail"},
            id="failure after success",
        ),
        pytest.param({"log": " \n"}, {"LOG-01": "warn"}, id="silent"),
    ],
)
def test_a_training(changes: dict[str, Any], broken: dict[str, str]) -> None:
    smoke = [each for each in on(training.on_samples, checks_of(training)) if each.smoke]
    # OUT-02 needs a failed run besides.
    assert statuses(smoke, dataclasses.replace(GOOD, **changes)) == {"OUT-02": "skip", **broken}


FAILED = dataclasses.replace(GOOD, exit_code=1, tree=(file("output/failure", b"no data"),))


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        pytest.param({}, {}, id="good"),
        pytest.param({"exit_code": 0}, {"OUT-01": "fail", "OUT-02": "skip"}, id="hides failure"),
        pytest.param({"exit_code": None}, {"OUT-01": "fail"}, id="never ends"),
        pytest.param({"tree": ()}, {"OUT-02": "fail"}, id="no reason"),
        pytest.param({"tree": (file("output/failure", b" ..\n"),)}, {"OUT-02": "fail"}, id="dots"),
        pytest.param({"tree": (file("output/failure", b"\xff"),)}, {"OUT-02": "fail"}, id="bytes"),
    ],
)
def test_a_training_that_fails(changes: dict[str, Any], broken: dict[str, str]) -> None:
    wanted = on(training.without_channels, checks_of(training))
    assert statuses(wanted, dataclasses.replace(FAILED, **changes)) == broken


def judged(wanted: Sequence[Check[Any]], *runs: Run | checks.Unseen) -> dict[str, tuple[str, str]]:
    """The status and the message of each clause, of the good run and of the one that must fail."""
    found: dict[str, list[Any]] = {}
    for stage, run in zip((training.on_samples, training.without_channels), runs, strict=True):
        for each in on(stage, wanted):
            seen = checks.of(each, run) if isinstance(run, checks.Unseen) else checks.run(each, run)
            found.setdefault(each.clause, []).append(seen)
    merged = {name: checks.merged(results) for name, results in found.items()}
    return {name: (each.status.value, each.message) for name, each in merged.items()}


def test_a_failure_that_was_never_seen_is_no_pass() -> None:
    smoke = [each for each in checks_of(training) if each.smoke]
    no_samples = checks.Unsampled("no samples are declared")
    found = judged(smoke, dataclasses.replace(GOOD, bare=True), no_samples)
    assert found["OUT-01"] == ("pass", "no failed run was seen")
    assert found["OUT-02"][0] == "skip"
    assert "no samples are declared" in found["OUT-02"][1]
    found = judged(smoke, GOOD, FAILED)
    assert (found["OUT-01"], found["OUT-02"]) == (("pass", ""), ("pass", ""))
    found = judged(smoke, dataclasses.replace(FAILED, bare=True), no_samples)
    assert found["OUT-01"][0] == "skip"
    assert found["OUT-02"] == ("pass", "no successful run was seen")


def test_an_image_that_waits_for_its_data_is_not_judged() -> None:
    waits = dataclasses.replace(
        GOOD, exit_code=None, log="", tree=(), bare=True, brief=True, seconds=10
    )
    smoke = [each for each in on(training.on_samples, checks_of(training)) if each.smoke]
    found = statuses(smoke, waits)
    assert found == dict.fromkeys(("OUT-01", "OUT-02", "OUT-03", "LOG-01"), "skip")
    seen = checks.run(training.success_is_zero, waits)
    assert seen.message.startswith(
        "no samples are declared, and without them `train` did not end in 10 s"
    )
    assert statuses(smoke, dataclasses.replace(waits, brief=False))["OUT-01"] == "fail"
    assert statuses(smoke, dataclasses.replace(waits, ended_by="disk"))["OUT-01"] == "fail"


@pytest.mark.parametrize(
    ("name", "target", "out"),
    [
        ("model/a", "b", False),
        ("model/deep/a", "../b", False),
        ("model/a", "../b", True),
        ("model/a", "/opt/ml/model/b", True),
        ("model/deep/a", "../../output/b", True),
    ],
)
def test_a_link_that_leads_out_of_the_model(name: str, target: str, out: bool) -> None:
    link = file(name, kind="link", target=target)
    run = dataclasses.replace(GOOD, tree=(*(GOOD.tree or ()), link))
    assert statuses([training.model_appears], run) == ({"OUT-03": "fail"} if out else {})


@dataclasses.dataclass(frozen=True, kw_only=True)
class FakeClient(HttpClient):
    """Answers as told: what `/ping` says, what `/invocations` says."""

    host: str = ""
    port: int = 0
    ping: int = 200
    status: int = 200
    body: bytes = b"1.0\n"

    def ask(self, method: str, path: str, **arguments: Any) -> Answer:
        if path == "/ping":
            return Answer(status=self.ping, content_type="", body=b"")
        return Answer(status=self.status, content_type="text/csv", body=self.body)


HEALTHY = Health(after=1.0, last=Answer(status=200, content_type="", body=b""))


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
        pytest.param(FakeClient(ping=500), {}, {"SERVE-02": "fail", "SERVE-14": "skip"}, id="ping"),
        pytest.param(FakeClient(status=500), {}, {"SERVE-06": "fail"}, id="invocations"),
        pytest.param(FakeClient(body=b"2\n"), {}, {"SERVE-06": "fail"}, id="wrong"),
        pytest.param(
            FakeClient(),
            {"health": Health(after=None, last=None)},
            {
                "SERVE-01": "fail",
                "SERVE-03": "fail",
                "SERVE-02": "skip",
                "SERVE-06": "skip",
                "SERVE-14": "skip",
                "RUN-09": "skip",
            },
            id="never answers",
        ),
        pytest.param(
            FakeClient(), {"exit_code": 0}, {"RUN-02": "fail", "SERVE-01": "skip"}, id="ends"
        ),
        pytest.param(FakeClient(), {"payloads": ()}, {"SERVE-06": "skip"}, id="no sample"),
        pytest.param(
            FakeClient(),
            {"health": Health(after=None, last=None), "exit_code": 1, "modelless": True},
            dict.fromkeys(
                ("RUN-02", "SERVE-01", "SERVE-03", "SERVE-02", "SERVE-06", "SERVE-14", "RUN-09"),
                "skip",
            ),
            id="refuses to run without a model, and none is declared",
        ),
    ],
)
def test_a_server(
    client: FakeClient, changes: dict[str, Any], broken: dict[str, str], payload: Payload
) -> None:
    seen = server(client, **{"payloads": (payload,), **changes})
    assert statuses(checks_of(serving), seen) == broken


def server(client: HttpClient, **changes: Any) -> Serving:
    facts: dict[str, Any] = {
        "container": FakeContainer(), "machine": MACHINE, "client": client, "refusal": None, "health": HEALTHY,
        "exit_code": None, **changes,
    }  # fmt: skip
    return Serving(**facts)


class Slow:
    """Leaves the first so many requests without an answer."""

    def __init__(self, slow: int) -> None:
        self.slow = slow

    def ask(self, method: str, path: str, **arguments: Any) -> Answer:
        self.slow -= 1
        if self.slow >= 0:
            raise checks.Broken("GET /ping got no answer in 2 s")
        return FakeClient().ask(method, path, **arguments)


@pytest.mark.parametrize(("slow", "broken"), [(1, {}), (2, {"SERVE-02": "fail"})])
def test_one_missed_ping_is_forgiven_and_two_are_not(
    slow: int, broken: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildkit.contract.hosting.server.PING_PAUSE", 0)
    client: Any = Slow(slow)
    assert statuses([serving.ping_answers], server(client)) == broken


def test_every_check_judges_a_clause_of_the_catalogue_and_says_how() -> None:
    for each in suite.checks():
        assert not clauses()[each.clause].unchecked, each.clause
        assert each.how.endswith("."), each.clause
        assert clauses()[each.clause].hint, each.clause


def test_checks_run_in_the_order_of_their_modules() -> None:
    prefix = "buildkit.contract."
    found = dict.fromkeys(each.judge.__module__.removeprefix(prefix) for each in suite.checks())
    assert tuple(found)[: len(suite.ORDER)] == suite.ORDER


def test_a_module_has_the_checks_that_it_defines_and_not_those_that_it_imports() -> None:
    module = ModuleType("mine")
    vars(module).update(vars(basics), __name__="mine")
    assert checks_of(module) == ()
    assert [each.judge.__name__ for each in checks_of(basics)][::7] == [
        "right_platform", "no_bare_init",
    ]  # fmt: skip


def test_every_clause_is_checked_or_says_why_not() -> None:
    checked = {each.clause for each in suite.checks()}
    assert len(clauses()) == 191
    assert {id_ for id_, each in clauses().items() if not each.unchecked} == checked
    assert len(checked) >= 150


def test_a_part_of_the_api_that_a_clause_cites_is_read_as_it_is_written() -> None:
    cited = clauses()["SERVE-11"].shapes
    assert cited[0] == Shape(
        service="sagemaker-runtime", name="InvokeEndpointInput", member="CustomAttributes"
    )
    for text in ("sagemaker:Channel", "ecr:PutImage", "sagemaker:Channel.InputMode"):
        assert str(Shape.parse(text)) == text


def test_each_clause_has_the_month_in_which_its_source_was_read() -> None:
    for each in clauses().values():
        assert re.fullmatch(r"20[0-9]{2}-(0[1-9]|1[0-2])", each.read), each.id


def test_the_page_of_clauses_is_what_the_suite_does() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "data" / "clauses.py"))["page"]()
    assert (ROOT / "docs" / "reference" / "clauses.md").read_text() == made, "`make docs`"


def test_pages_count_the_clauses_as_they_are() -> None:
    checked = len({each.clause for each in suite.checks()})
    assert f"`buildkit test` tries {checked} [clauses]" in (ROOT / "README.md").read_text()
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert f"{len(clauses())} clauses, of which {checked} are checked" in changes
    contract = (ROOT / "docs" / "design" / "contract.md").read_text()
    assert f"There are {len(clauses())}." in contract
    how = (ROOT / "docs" / "design" / "how-it-works.md").read_text()
    assert f"`clauses.toml` holds all {len(clauses())}" in how


def test_of_several_checks_of_a_clause_the_worst_counts_with_all_its_evidence() -> None:
    results = [
        checks.judged("OUT-01", checks.Partly()),
        checks.judged("OUT-01", checks.Broken("one")),
        checks.judged("OUT-01", checks.Unseen("no")),
        checks.judged("OUT-01", checks.Broken("two")),
    ]
    assert checks.merged(results).message == "one\ntwo"
    assert checks.merged(results).status is Status.FAIL
    assert checks.merged([results[0], results[2]]).status is Status.PASS


def test_a_clause_that_a_busy_machine_left_open_does_not_pass() -> None:
    results = [
        checks.judged("SERVE-08", checks.Partly()),
        checks.judged("SERVE-08", checks.TooBusy("9 s")),
    ]
    assert checks.merged(results).status is Status.SKIP
    assert checks.merged(results).skipped_for(SkipKind.BUSY)
    results.append(checks.judged("SERVE-08", checks.Broken("late")))
    assert checks.merged(results).message == "late"


def test_of_several_checks_of_a_clause_some_decide_or_say_what_was_not_seen() -> None:
    """Else a clause passes of which only the lesser part was seen."""
    of: dict[str, list[Check[Any]]] = {}
    for each in suite.checks():
        of.setdefault(each.clause, []).append(each)
    for clause, found in of.items():
        several = len(found) > 1
        assert (
            not several
            or any(each.decides for each in found)
            or sum(bool(each.gap) for each in found) > 1
        ), clause
        assert several or not any(each.decides or each.gap for each in found), clause


class FakeEngine:
    """An engine whose containers hold nothing; none is ever started."""

    def view(self, _image: str) -> ImageView:
        return VIEW

    def connected(self, *, outside: bool) -> FakeEngine:
        return self

    @contextmanager
    def container(self, image: str, start: object) -> Iterator[object]:
        yield CONTAINER


def run(
    *only: str, profile: Profile = Profile.FULL, purpose: Purpose = Purpose.BOTH
) -> dict[str, str]:
    subject = scenario.Subject(
        image="demo", architecture="amd64", purpose=purpose, samples=Samples()
    )
    engine: Any = FakeEngine()
    return {each.id: each.message for each in runner.run(subject, engine, profile, only)}


def test_only_the_asked_clauses_are_judged_in_the_order_of_the_contract() -> None:
    assert list(run("RUN-05", "RUN-04", "IMG-06")) == ["IMG-06", "RUN-04", "RUN-05"]


def test_what_does_not_apply_is_skipped_with_the_reason() -> None:
    assert run("MME-02") == {"MME-02": "not promised: multi-model"}
    assert run("SERVE-02", purpose=Purpose.TRAINING) == {
        "SERVE-02": "the image is not for inference"
    }


def test_the_smoke_profile_leaves_the_rest_out() -> None:
    assert run("MME-02", profile=Profile.SMOKE) == {}


def test_what_several_scenarios_need_is_made_once_and_fails_for_all() -> None:
    made = []

    def make(_bench: scenario.Bench) -> int:
        made.append(1)
        raise checks.Unseen("no")

    stand: Any = scenario.Bench(subject=None, engine=None, kept=None)  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(checks.Unseen):
            stand.once(make)
    assert made == [1]


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
    assert comparison.same(content_type, found, wanted) is same


def test_the_tree_of_a_training_job_is_what_sagemaker_lays_out(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.csv").write_text("1")
    samples = Samples(hyperparameters=(("epochs", "3"),), code=str(tmp_path / "deep"))
    work = dataclasses.replace(
        training_job.of(samples), channels=(training_job.Channel(name="training", path=tmp_path),)
    )
    members = {each.name: each for each in archive.members(work.archive())}
    assert {
        "input/config/hyperparameters.json", "input/config/inputdataconfig.json",
        "input/config/resourceconfig.json", "input/data/training/deep/a.csv", "model",
        "output/data", "code/a.csv",
    } <= members.keys()  # fmt: skip
    assert {m.mode for m in members.values() if m.kind == "file"} == {0o644}
    assert {m.mode for m in members.values() if m.kind == "folder"} == {0o755}


def test_a_tree_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST", 3)
    with pytest.raises(tarfile.TarError):
        archive.members([tar("a", "b", "c", "d")])
    monkeypatch.setattr(archive, "LARGEST", 100)
    with pytest.raises(tarfile.TarError):
        archive.members([tar("a")])


def test_large_files_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "KEPT_FILE", 3)
    made = archive.Archive()
    made.file("small", b"abc")
    made.file("large", b"abcd")
    small, large = archive.members(made.chunks())
    assert (small.content, large.content) == (b"abc", None)
    assert len(large.digest) == 64


def test_a_report_passes_with_warnings_and_fails_with_one_failure() -> None:
    warned = fakes.report(fakes.clause(), fakes.clause(Status.WARN, level=Level.RECOMMENDED))
    assert warned.passed
    failed = fakes.report(fakes.clause(), fakes.clause(Status.FAIL, message="because"))
    assert not failed.passed
    error = verify.refusal(failed)
    assert isinstance(error, ContractError)
    assert "because" in error.details
    assert "make it start" in error.details


def test_an_image_that_a_busy_machine_could_not_judge_has_not_passed() -> None:
    skipped = fakes.skipped(checks.TooBusy("of 60 s only 5 count"))
    error = verify.too_busy(fakes.report(skipped))
    assert error is not None
    assert "RUN-01" in error.message
    for other in (
        fakes.skipped(checks.NotPromised(Feature.GPU)),
        fakes.skipped(checks.TooBusy("…"), level=Level.RECOMMENDED),
        fakes.clause(),
    ):
        assert verify.too_busy(fakes.report(other)) is None


def test_the_suite_s_fingerprint_follows_the_samples_but_not_their_place(tmp_path: Path) -> None:
    found = []
    for folder, text in (("one", "1"), ("two", "1"), ("three", "2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").write_text(text)
        path = str(tmp_path / folder)
        kinds = (
            Samples(channels=(("training", path),)),
            Samples(code=path),
            Samples(model=path),
            Samples(adapter=path),
        )
        found.append([fingerprint(each) for each in kinds])
    assert found[0] == found[1]
    assert len({*found[0], *found[2]}) == 8


def fingerprint(samples: Samples, **changes: Any) -> str:
    subject = scenario.Subject(
        image="demo", architecture="amd64", purpose=Purpose.BOTH, samples=samples
    )
    return suite_fingerprint.of(dataclasses.replace(subject, **changes))


def test_an_image_that_was_tested_for_training_is_not_tested_for_inference() -> None:
    found = {
        fingerprint(Samples()),
        fingerprint(Samples(), purpose=Purpose.TRAINING),
        fingerprint(Samples(), architecture="arm64"),
        fingerprint(Samples(hyperparameters=(("a", "1"),))),
        fingerprint(Samples(), features=frozenset({Feature.BATCH})),
    }
    assert len(found) == 5
    assert fingerprint(Samples(), image="another name") in found
