"""Judgements of checkpoints, several hosts, scripts and processing, on what was observed by hand."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from buildkit.contract import isolation
from buildkit.contract.checks import Broken, Doubtful, Unseen
from buildkit.contract.engine import Entry, Line
from buildkit.contract.jobs import checkpoints, endings, monitor, processing, two_hosts
from buildkit.contract.jobs.training_runs import Run
from buildkit.contract.machine import Machine
from buildkit.contract.scenario import Bench, Subject
from buildkit.contract.scripts import script_mode, script_runs
from buildkit.model.features import Feature
from buildkit.model.target import Purpose, Samples

if TYPE_CHECKING:
    from buildkit.contract.checks import Check

EPOCHS = [f"epoch={number} loss={1 / number:.3f}" for number in range(1, 6)]


def verdict(check: Check[Any], observed: object) -> str:
    try:
        check.judge(observed)
    except (Broken, Doubtful, Unseen) as error:
        return f"{type(error).__name__}: {error}"
    return "pass"


def ended(exit_code: int | None = 0, *tree: Entry, log: list[str] | None = None) -> Run:
    lines = tuple(Line(at=float(at), text=text) for at, text in enumerate(log or []))
    return Run(refusal=None, exit_code=exit_code, seconds=5.0, log="said", lines=lines, tree=tree)


def file(name: str, content: bytes = b"x") -> Entry:
    return Entry(
        name=name, kind="file", size=len(content), mode=0o644, digest=str(content), content=content
    )


@pytest.mark.parametrize(
    ("again", "expected"),
    [
        (EPOCHS, EPOCHS[0]),
        (EPOCHS[2:], ""),
        ([], ""),
        (["resuming after epoch 2", *EPOCHS], ""),
        (["no checkpoint, starting from scratch", *EPOCHS], EPOCHS[0]),
        (["2026-11-20 epoch=1 loss=1.0", *EPOCHS], EPOCHS[0]),
    ],
)
def test_a_log_tells_whether_all_was_done_again(again: list[str], expected: str) -> None:
    assert checkpoints.repeats(EPOCHS, EPOCHS[:3], again) == expected


def test_a_log_without_a_count_tells_nothing() -> None:
    log = ["loading", "loss 0.5", "loss 0.3", "loss 0.31", "saved"]
    assert checkpoints.repeats(log, log, log) is None


def test_the_first_epoch_again_is_no_proof_when_only_that_had_begun() -> None:
    assert checkpoints.repeats(EPOCHS, EPOCHS[:1], EPOCHS) is None


def test_a_clock_is_no_count() -> None:
    assert checkpoints.counts([f"12:00:{second} working" for second in (41, 42, 43)]) == ()


def test_resumption() -> None:
    whole = ended(log=EPOCHS)
    killed = ended(137, log=EPOCHS[:3])
    found = checkpoints.Resumption(
        whole=whole, first=killed, again=ended(log=EPOCHS[3:]), cut=ended(1), cut_name="c/3"
    )
    assert verdict(checkpoints.resumes, found) == "pass"
    assert verdict(checkpoints.resumes, replace(found, again=whole)).startswith("Broken")
    assert verdict(checkpoints.resumes, replace(found, again=ended(2))).startswith("Broken")
    silent = ended(log=["working"])
    unclear = replace(found, whole=silent, first=silent, again=silent)
    assert verdict(checkpoints.resumes, unclear).startswith("Doubtful")
    assert verdict(checkpoints.survives_a_cut_checkpoint, found).startswith("Broken: with c/3")


def test_the_newest_checkpoint_is_cut_by_time_then_by_number_and_never_a_hidden_one() -> None:
    names = ["c/epoch-9", "c/epoch-10", "c/.epoch-11"]
    assert max(map(file, names), key=checkpoints._age).name == "c/epoch-10"
    newer = replace(file("c/epoch-1"), modified=2.0)
    assert max([newer, *map(file, names)], key=checkpoints._age).name == "c/epoch-1"


def test_hosts_clash_only_with_other_content() -> None:
    one, other = file("model/a", b"1"), file("model/a", b"2")
    same = two_hosts.Pair(hosts={"x": ended(0, one), "y": ended(0, one)})
    clash = two_hosts.Pair(hosts={"x": ended(0, one), "y": ended(0, other)})
    failed = two_hosts.Pair(hosts={"x": ended(None), "y": ended(1)})
    assert verdict(two_hosts.models_do_not_clash, same) == "pass"
    assert "/opt/ml/model/a" in verdict(two_hosts.models_do_not_clash, clash)
    assert verdict(two_hosts.models_do_not_clash, failed).startswith("Unseen")
    assert "on two hosts y: `train` ended with 1" in verdict(two_hosts.train_together, failed)


def test_routes_are_read_by_interface() -> None:
    table = (
        "Iface\tDestination\tGateway\n"
        "eth0\t00000000\t010012AC\neth0\t000012AC\t00000000\neth1\t000013AC\t00000000\nbroken\n"
    )
    assert two_hosts.routes(table) == {"eth0": "000012AC", "eth1": "000013AC"}
    assert two_hosts.routes("") == {}


def test_isolation_may_cost_half_a_minute() -> None:
    assert isolation.limit(2) == 32
    assert isolation.limit(100) == 200


class FakeEngine:
    """Remembers which networks its containers were given, and starts none."""

    def __init__(self) -> None:
        self.outside: list[bool] = []

    def connected(self, *, outside: bool) -> FakeEngine:
        self.outside.append(outside)
        return self


def isolated(
    monkeypatch: pytest.MonkeyPatch,
    runs: list[Run],
    *,
    labelled: bool = False,
    slowdown: float = 1.0,
    limits: list[float] | None = None,
) -> tuple[str, list[bool]]:
    """What ISO-01 says of these runs, and which of them had a network.

    `limits` gets the seconds that the runs without one may take.
    """
    there = FakeEngine()

    def given(asked: dict[str, Any]) -> Run:
        if limits is not None and asked["then"] is not endings.metered:
            limits.append(asked["then"])
        return runs.pop(0)

    monkeypatch.setattr(endings, "within", lambda seconds: seconds)
    subject = Subject(
        image="demo",
        architecture=None,
        purpose=Purpose.TRAINING,
        samples=Samples(),
        labelled=frozenset([Feature.ISOLATION] if labelled else []),
    )
    engine: Any = there
    monkeypatch.setattr(
        "buildkit.contract.jobs.training_runs.train", lambda *_, **asked: given(asked)
    )
    monkeypatch.setattr(Machine, "slowdown", lambda _self: slowdown)
    with ExitStack() as kept:
        bench = Bench(subject=subject, engine=engine, kept=kept)
        try:
            observed = kept.enter_context(isolation.trained.stage(bench))
        except Unseen as error:
            return f"Unseen: {error}", there.outside
        return verdict(isolation.trains_alone, observed), there.outside


GOOD = ended(0, file("model/a"))


def test_a_network_is_given_only_where_it_tells_something(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isolated(monkeypatch, [GOOD]) == ("pass", [False])
    said, outside = isolated(monkeypatch, [ended(1), GOOD])
    assert "without a network `train` ended with 1" in said
    assert outside == [False, True]
    said, outside = isolated(monkeypatch, [ended(None), GOOD, ended(None)])
    assert "it waits for the network" in said
    assert outside == [False, True, False]
    assert isolated(monkeypatch, [ended(None), GOOD, GOOD])[0] == "pass"
    said, _ = isolated(monkeypatch, [ended(), GOOD])
    assert "leaves no model" in said
    assert isolated(monkeypatch, [ended(), ended()])[0] == "pass"
    assert isolated(monkeypatch, [ended(1), ended(1)])[0].startswith("Unseen: `train` on the")


@pytest.mark.parametrize(
    ("slowdown", "used", "allowed"),
    [(1.0, 2.0, 120.0), (30.0, 2.0, 32.0), (3.0, 20.0, 50.0), (30.0, 0.0, 120.0)],
)
def test_a_busy_machine_allows_no_wait_for_a_network(
    monkeypatch: pytest.MonkeyPatch, slowdown: float, used: float, allowed: float
) -> None:
    """A run of 60 s with a network would otherwise excuse one that waits 50 s for it."""
    online = replace(GOOD, seconds=60.0, processor_seconds=used)
    limits: list[float] = []
    isolated(monkeypatch, [ended(None), online, GOOD], slowdown=slowdown, limits=limits)
    assert limits == [30.0, pytest.approx(allowed)]


def test_an_image_gets_no_network_by_its_own_label(monkeypatch: pytest.MonkeyPatch) -> None:
    said, outside = isolated(monkeypatch, [ended(1)], labelled=True)
    assert said.startswith("Unseen: without a network the image fails")
    assert outside == [False]


def served(*wrong: str, after: float | None = 1.0) -> isolation.Fared:
    return isolation.Fared(
        after=after,
        evidence="said",
        wrong=tuple((f"text/{n}", Broken(each) if each else None) for n, each in enumerate(wrong)),
    )


@pytest.mark.parametrize(
    ("alone", "online", "expected"),
    [
        (served(""), None, "pass"),
        (served(), None, "Unsampled: `serve` is healthy without a network, but"),
        (served("no", after=None), served(""), "Broken: without a network `serve` is not healthy"),
        (
            served("", "got 500"),
            served("", ""),
            "Broken: without a network, with a sample of text/1",
        ),
        (served("got 500"), served("got 400"), "pass"),
    ],
)
def test_what_a_server_cannot_do_without_a_network(
    alone: isolation.Fared, online: isolation.Fared | None, expected: str
) -> None:
    found = isolation.Isolated(alone, online)
    assert verdict(isolation.serves_alone, found).startswith(expected)


def probed(argv: list[str], **environ: str) -> Run:
    left = {"argv": argv, "environ": environ, "cwd": "/opt/ml/code"}
    return ended(0, file(script_runs.LEFT, json.dumps(left).encode()))


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b'{"argv": 1, "environ": {}, "cwd": ""}'])
def test_what_a_hostile_image_left_is_no_exception(left: bytes) -> None:
    run = ended(0, file(script_runs.LEFT, left))
    assert verdict(script_mode.named_by_hyperparameter, run).startswith("Broken")
    assert verdict(script_mode.arguments_are_right, run).startswith("Unseen")


def test_arguments_word_for_word() -> None:
    assert verdict(script_mode.arguments_are_right, probed(script_runs.ARGUMENTS)) == "pass"
    assert verdict(script_mode.arguments_are_right, probed(["-a", "true"])).startswith("Broken")


def test_a_value_that_a_shell_ran() -> None:
    words = [w for name, value in script_runs.HARMLESS.items() for w in (f"--{name}", value)]
    assert verdict(script_mode.no_shell_runs_values, probed(words)) == "pass"
    ran = replace(probed(words), changes=("/tmp", script_runs.PWNED))
    assert verdict(script_mode.no_shell_runs_values, ran).startswith("Broken")


BEGAN = file(script_runs.BEGAN)


@pytest.mark.parametrize(
    ("run", "found"),
    [
        pytest.param(ended(83, BEGAN), "pass", id="the exit code is its own"),
        pytest.param(
            ended(1, BEGAN, file("output/failure", b"ExecuteUserScriptError:\nExitCode 83")),
            "pass",
            id="AWS's toolkit",
        ),
        pytest.param(
            ended(1, BEGAN, file("output/failure", b"line 183 of train.py")), "Broken", id="183"
        ),
        pytest.param(
            ended(1, BEGAN, file("output/failure", b"CUDA 12.83, torch 83.1")),
            "Broken",
            id="versions",
        ),
        pytest.param(
            ended(1, BEGAN, file("output/failure", b"exited with code 83.")),
            "pass",
            id="a sentence",
        ),
        pytest.param(ended(1, BEGAN), "Broken", id="no failure file"),
        pytest.param(ended(1), "Unseen", id="the script did not run"),
        pytest.param(ended(0, BEGAN), "Unseen", id="TTK-09 reports it"),
        pytest.param(ended(None, BEGAN), "Unseen", id="it hangs"),
    ],
)
def test_a_failed_script_is_named_with_its_exit_code(run: Run, found: str) -> None:
    assert verdict(script_mode.failure_names_the_exit_code, run).startswith(found)


def environ() -> dict[str, str]:
    wanted = script_mode.wanted_variables(
        script_runs.PROBE_JOB, script_runs.PROGRAM, script_runs.ARGUMENTS
    )
    return {
        **{
            name: value if isinstance(value, str) else json.dumps(value.value, indent=1)
            for name, value in wanted.items()
        },
        **dict.fromkeys(script_mode.NUMBERS, "1"),
        **dict.fromkeys(script_mode.LISTS, "[]"),
        **dict.fromkeys(script_mode.OBJECTS, "{}"),
    }


def test_variables_are_compared_as_values() -> None:
    def wrong(**changes: str) -> list[str]:
        found = {**environ(), **changes}
        return script_mode.wrong_variables(
            found, script_runs.PROBE_JOB, script_runs.PROGRAM, script_runs.ARGUMENTS
        )

    assert wrong() == []
    assert wrong(SM_IS_HETERO="0") == ["SM_IS_HETERO is '0', not false"]
    assert wrong(SM_NUM_CPUS="many") == ["SM_NUM_CPUS is 'many'"]
    assert wrong(**{"SM_HP_LEARNING-RATE": "0.2"}) == ["SM_HP_LEARNING-RATE is '0.2', not 0.1"]
    assert wrong(SM_HPS="[" * 9999)[0].startswith("SM_HPS is")


def test_outputs_of_processing() -> None:
    link = Entry(name="processing/output/a", kind="link", size=0, mode=0o777, target="/tmp/a")
    judge = processing.outputs_are_files
    assert verdict(judge, ended(0, file("processing/output/a"))) == "pass"
    assert "link to /tmp/a" in verdict(judge, ended(0, link))
    whole = replace(link, name="processing")
    assert "processing is not a folder but a link to /tmp/a" in verdict(judge, ended(0, whole))
    assert verdict(judge, ended(0, file("processing/input/a"))).startswith("Doubtful")
    assert verdict(judge, ended(1)).startswith("Unseen")


@pytest.mark.parametrize(
    ("plain", "again", "found"),
    [
        pytest.param(ended(0), None, "pass", id="it works"),
        pytest.param(ended(1), ended(0), "Broken", id="it works with training's files"),
        pytest.param(ended(1), ended(1), "Unseen", id="it never works"),
        pytest.param(ended(None), None, "Unseen", id="it hangs"),
        pytest.param(replace(ended(0), idle="no script"), None, "Unseen", id="an interpreter"),
    ],
)
def test_processing_that_needs_the_files_of_training(
    plain: Run, again: Run | None, found: str
) -> None:
    seen = processing.Misled(plain=plain, again=again)
    assert verdict(processing.needs_no_training_files, seen).startswith(found)


@pytest.mark.parametrize(
    ("plain", "runs"),
    [
        pytest.param(ended(0), 0, id="a good image costs nothing"),
        pytest.param(ended(1), 1, id="a failed one is run again"),
        pytest.param(ended(None), 0, id="one that hangs would hang again"),
        pytest.param(replace(ended(1), bare=True), 0, id="without samples a failure may be right"),
    ],
)
def test_the_files_of_training_are_tried_only_after_a_failure(
    plain: Run, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []

    def train(_bench: Bench, work: Any, **_: object) -> Run:
        sent.append(work)
        return ended(0)

    monkeypatch.setattr("buildkit.contract.jobs.training_runs.train", train)
    monkeypatch.setattr(processing, "_processed", lambda _bench: plain)
    subject = Subject(image="demo", architecture=None, purpose=Purpose.TRAINING, samples=Samples())
    engine: Any = None
    with ExitStack() as kept:
        bench = Bench(subject=subject, engine=engine, kept=kept)
        seen = kept.enter_context(processing.misled.stage(bench))
    assert (seen.again is not None, len(sent)) == (bool(runs), runs)
    names = [name for work in sent for name, _ in work.files]
    assert names == [
        "input/config/hyperparameters.json",
        "input/config/inputdataconfig.json",
        "input/config/resourceconfig.json",
    ] * runs  # fmt: skip


def test_the_message_is_utf_8() -> None:
    judge = processing.failure_leaves_a_message
    assert verdict(judge, ended(1, file("output/message", "zu früh".encode()))) == "pass"
    assert "not UTF-8" in verdict(judge, ended(1, file("output/message", b"\xff")))
    assert verdict(judge, ended(1)).startswith("Broken")
    assert verdict(judge, ended(0)).startswith("Unseen")


def test_monitor_files() -> None:
    three = [file(f"{monitor.RESULTS}/{name}", b"{}") for name in monitor.FILES]
    bad_metric = file(f"{monitor.METRICS}/m.jsonl", b"{}\nno\n")
    assert verdict(monitor.writes_three_files, ended(0, *three)) == "pass"
    assert "constraints_violations.json" in verdict(
        monitor.writes_three_files, ended(0, *three[:2])
    )
    assert "no" in verdict(monitor.writes_three_files, ended(0, *three, bad_metric))
    assert all(map(json.loads, monitor.capture().splitlines()))
