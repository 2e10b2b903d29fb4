"""What was not judged is no pass: not on the terminal, not in CI, not on the page, not published."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from buildkit import pipeline, records
from buildkit.commands import summary
from buildkit.config.boundary import Boundary
from buildkit.contract import checks, verdict
from buildkit.contract.checks import Caused, NotFor, NotPromised, TooBusy, Unsampled, Unseen
from buildkit.ledger import make
from buildkit.model.features import Feature
from buildkit.model.image import Location, Published, Staged, Status, Verdict
from buildkit.model.outcome import Outcome
from buildkit.model.target import Payload, Profile, Purpose, Samples
from buildkit.pipeline import Run
from buildkit.support.errors import ContractError, Exit, ToolError, UnjudgedError, worst
from buildkit.verify import gate, judged, junit, page, verify
from tests.support import fakes, projects

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.model.image import ClauseResult, Report
    from buildkit.model.target import Target

Captured = pytest.CaptureFixture[str]
NOT_TRAINED = Unsampled("no samples are declared, and without them `train` ended with 1")
NOT_SERVED = Unsampled("no model is declared, and without one nothing answered in 12 s")


def found(*clauses: ClauseResult, **changes: Any) -> Report:
    return replace(fakes.report(*clauses), sampled=False, **changes)


def open_(id_: str, why: Unseen) -> ClauseResult:
    return fakes.skipped(why, id=id_)


def good(id_: str) -> ClauseResult:
    return fakes.clause(id=id_)


STATIC = good("IMG-01")
IDLE = (STATIC, open_("OUT-01", NOT_TRAINED), open_("SERVE-03", NOT_SERVED))
TRAINS_ONLY = (open_("OUT-01", NOT_TRAINED), open_("SERVE-03", NotFor(Purpose.INFERENCE)))
ELSEWHERE = open_("PROC-02", NotPromised(Feature.PROCESSING))


@pytest.mark.parametrize(
    ("clauses", "wanted", "untried"),
    [
        pytest.param(IDLE, "unjudged", "not trained, not served: no samples", id="nothing"),
        pytest.param(
            (*IDLE, ELSEWHERE), "unjudged", "not trained, not served: no samples", id="no processing"
        ),
        pytest.param(
            (STATIC, *TRAINS_ONLY), "unjudged", "not trained: no samples", id="for training only"
        ),
        pytest.param(
            (good("OUT-01"), open_("SERVE-03", NotFor(Purpose.INFERENCE))),
            "pass", "", id="it trained, and is for nothing else",
        ),
        pytest.param(
            (IDLE[1], good("SERVE-03"), good("SERVE-06")),
            "pass", "not trained: no samples", id="served alone",
        ),
        pytest.param(
            (good("OUT-01"), good("SERVE-03"), open_("SERVE-06", Unsampled("no payload"))),
            "pass", "no prediction: no samples", id="healthy, and never asked",
        ),
        pytest.param(
            (*IDLE, fakes.clause(Status.FAIL, id="RUN-04")),
            "fail", "not trained, not served: no samples", id="what is broken is broken",
        ),
        pytest.param(
            (IDLE[1], fakes.clause(Status.FAIL, id="RUN-02"), open_("SERVE-03", Caused("RUN-02"))),
            "fail", "not trained: no samples; not served: see RUN-02", id="no such program",
        ),
        pytest.param(
            (good("OUT-01"), good("RUN-02"), open_("SERVE-03", Caused("SERVE-01"))),
            "pass", "not served: see SERVE-01", id="no port",
        ),
        pytest.param(
            (fakes.clause(Status.FAIL, id="PROC-01"), open_("PROC-02", Caused("PROC-01"))),
            "fail", "not run: see PROC-01", id="no such command",
        ),
        pytest.param(
            (IDLE[1], fakes.clause(Status.FAIL, id="SERVE-03"), open_("SERVE-06", Unseen("unhealthy"))),
            "fail", "not trained: no samples", id="never healthy: no word of predictions",
        ),
        pytest.param((STATIC,), "pass", "", id="only that clause was asked for"),
        pytest.param((open_("DATA-02", Unsampled("no channel")),), "unjudged", "", id="and was not judged"),
        pytest.param(
            (good("OUT-01"), open_("SERVE-03", TooBusy("…"))),
            "unjudged", "not served: the machine is too busy", id="too busy",
        ),
    ],
)  # fmt: skip
def test_a_verdict(clauses: tuple[ClauseResult, ...], wanted: str, untried: str) -> None:
    assert verdict.of(found(*clauses)).value == wanted
    assert verdict.untried(found(*clauses)) == untried


def test_an_image_for_processing_says_that_a_smoke_test_does_not_start_it() -> None:
    smoke = found(
        STATIC,
        open_("OUT-01", NotFor(Purpose.TRAINING)),
        open_("SERVE-03", NotFor(Purpose.INFERENCE)),
        purpose=Purpose.PROCESSING,
    )
    assert verdict.of(smoke) is Verdict.UNJUDGED
    assert (
        verdict.untried(smoke) == "not run: the profile smoke does not start images for processing"
    )


def test_samples_that_are_not_enough_are_told_from_none() -> None:
    assert verdict.untried(replace(found(*IDLE), sampled=True)) == (
        "not trained, not served: the samples are not enough"
    )
    healthy = (good("OUT-01"), good("SERVE-03"), open_("SERVE-06", Unsampled("no payload")))
    assert verdict.untried(replace(found(*healthy), sampled=True)) == "no prediction: no payload"


# The end of `buildkit test IMAGE`


@pytest.mark.parametrize(
    ("purpose", "flags"),
    [
        (Purpose.TRAINING, ["--channel training=FOLDER"]),
        (Purpose.INFERENCE, ["--model FOLDER", "--payload FILE:CONTENT-TYPE"]),
        (Purpose.BOTH, ["--channel training=FOLDER", "--payload FILE:CONTENT-TYPE"]),
        (Purpose.PROCESSING, ["--channel NAME=FOLDER"]),
    ],
)
def test_an_image_that_was_not_judged_ends_with_8_and_says_what_to_give(
    purpose: Purpose, flags: list[str], capsys: Captured
) -> None:
    tested = found(*IDLE, purpose=purpose, profile="full")
    if purpose is Purpose.PROCESSING:
        tested = replace(
            tested, clauses=(*IDLE, open_("PROC-02", Unsampled("no samples are declared")))
        )
    assert int(judged.end(tested, "mine:1")) == 8
    said = capsys.readouterr()
    assert said.out == ""
    assert "error: `mine:1` was not judged: not trained, not served" in said.err
    assert all(flag in said.err for flag in ("`buildkit test mine:1 --", *flags))
    assert all(flag in said.err for flag in ("--hyperparameter", "--environment", "--header"))


def test_a_busy_machine_is_another_matter(capsys: Captured) -> None:
    busy = open_("SERVE-03", TooBusy("…"))
    assert judged.end(found(good("OUT-01"), busy), "mine:1") == Exit.TOOL
    assert "too busy to judge SERVE-03" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("clauses", "code"), [((good("OUT-01"),), 0), ((fakes.clause(Status.FAIL, id="OUT-01"),), 6)]
)
def test_other_verdicts_end_as_they_did(
    clauses: tuple[ClauseResult, ...], code: int, capsys: Captured
) -> None:
    assert judged.end(found(*clauses), "mine:1") == code
    assert capsys.readouterr().err == ""


def test_the_table_ends_with_the_verdict(capsys: Captured) -> None:
    summary.show(found(*IDLE))
    said = capsys.readouterr().err
    assert "\nnot trained, not served: no samples\n" in said
    assert said.endswith("unjudged: 1 passed, 2 skipped in 1 s\n")
    assert "pass:" not in said
    assert summary.verdict(found(*IDLE))["verdict"] == "unjudged"
    assert summary.verdict(found(*IDLE))["untried"] == "not trained, not served: no samples"


# CI and the page


def test_ci_sees_an_error() -> None:
    root = ET.fromstring(junit.document([found(*IDLE)]).encode())
    suite = root[0]
    assert (root.get("errors"), suite.get("errors"), suite.get("tests")) == ("1", "1", "4")
    (case,) = [each for each in suite.iter("testcase") if each.find("error") is not None]
    assert case.get("name") == "the image was not judged"
    assert case[0].get("message") == "not trained, not served: no samples"
    assert {each.get("name"): each.get("value") for each in suite.iter("property")}[
        "verdict"
    ] == "unjudged"


def test_the_page_shows_it_in_a_colour_of_its_own() -> None:
    text = page.document([found(*IDLE)])
    assert "<title>unjudged: demo" in text
    assert '<span class="badge unjudged">unjudged</span>' in text
    assert ".badge.unjudged" in text
    assert "Not trained, not served: no samples." in text
    assert 'class="badge pass"' not in text
    both = page.document([found(*IDLE), found(good("OUT-01"))])
    assert "1 of 2 images was not judged" in both
    assert "keep the contract" not in both
    broken = found(fakes.clause(Status.FAIL, id="OUT-01"))
    three = page.document([found(*IDLE), found(*IDLE), broken])
    lead = re.sub(r"\s+", " ", three)
    assert "1 of 3 images breaks the contract, 2 of 3 images were not judged" in lead


def test_the_page_says_when_by_what_and_for_what_it_was_tested() -> None:
    made = found(
        good("OUT-01"),
        purpose=Purpose.BOTH,
        platform="linux/amd64",
        at="2026-11-30T01:02:03Z",
        tool="1.2.3",
        kept=("dist/demo/test/train.log",),
    )
    text = page.document([made])
    for wanted in (
        "<dt>Purpose</dt><dd>training and inference</dd>",
        "<dt>Platform</dt><dd>linux/amd64</dd>",
        '<time datetime="2026-11-30T01:02:03Z">2026-11-30 01:02:03 UTC</time> by buildkit 1.2.3',
        "<dt>Kept</dt><dd>dist/demo/test/train.log</dd>",
    ):
        assert wanted in text


def test_the_word_fix_stays_in_one_piece() -> None:
    assert re.search(r"\.fix b \{[^}]*flex: none", page.document([found(good("OUT-01"))]))


# What is published


def say(outcome: Outcome) -> None:
    """What is printed of a target when it has ended so."""
    target = outcome.target
    pipeline.each([target], [(target, "image")], lambda *_: outcome, pipeline.Choice())


def run_test(
    target: Target, clauses: tuple[ClauseResult, ...], folder: Path, depth: verify.Depth
) -> tuple[Outcome, records.Records]:
    where = records.Records(folder=folder, limits=Boundary(root=folder))
    profile = depth.profile.value
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patched:
        patched.setattr(
            verify,
            "report",
            lambda *_, **__: replace(
                fakes.report(*clauses),
                sampled=target.samples.declared,
                profile=profile,
                purpose=target.purpose,
            ),
        )
        outcome = gate.test(
            fakes.built(target),
            object(),  # type: ignore[arg-type]
            where,
            depth,
            retest=True,
        )
    return outcome, where


PLAIN = projects.target()
SAMPLED = replace(PLAIN, samples=Samples(hyperparameters=(("a", "1"),)))
FULL = verify.Depth(profile=Profile.FULL, at_work=True)


def test_a_target_without_samples_passes_the_gate_of_a_build_and_that_is_said(
    tmp_path: Path, capsys: Captured
) -> None:
    outcome, where = run_test(PLAIN, IDLE, tmp_path, verify.SMOKE)
    assert outcome.error is None
    assert outcome.verified is not None
    assert where.find(records.VERIFIED, PLAIN.id) is not None
    say(outcome)
    said = capsys.readouterr().err
    assert f"{PLAIN.id}  passed 1 clause; not trained, not served: no samples\n" in said


def test_that_is_also_said_where_it_is_published_or_staged(capsys: Captured) -> None:
    outcome = Outcome(target=PLAIN, report=found(*IDLE))
    verified = replace(fakes.verified(), report=found(*IDLE))
    there = Published(
        verified=verified,
        digest=fakes.DIGEST,
        size=1,
        manifest_size=1,
        locations=(Location(uri="registry.example/demo:1", pushed=True),),
    )
    say(replace(outcome, published=there))
    staged = Staged(verified=verified, digest=fakes.DIGEST, hosts=("registry.example",))
    say(replace(outcome, staged=staged))
    one, two = capsys.readouterr().err.splitlines()
    assert one.endswith("published: registry.example/demo:1; not trained, not served: no samples")
    assert two.endswith(f"{fakes.DIGEST}; not trained, not served: no samples")


def test_a_target_whose_samples_are_not_enough_is_not_published(tmp_path: Path) -> None:
    outcome, where = run_test(SAMPLED, IDLE, tmp_path, verify.SMOKE)
    assert isinstance(outcome.error, UnjudgedError)
    assert outcome.error.code == 8
    assert "`channels`" in (outcome.error.hint or "")
    assert outcome.verified is None
    assert where.find(records.VERIFIED, PLAIN.id) is None


def test_samples_that_there_are_already_are_not_asked_for(tmp_path: Path) -> None:
    payload = Payload(content_type="text/csv", body="body.csv")
    samples = Samples(payloads=(payload,), environment=(("A", "1"),))
    outcome, _ = run_test(replace(PLAIN, samples=samples), IDLE, tmp_path, verify.SMOKE)
    assert "add `channels`, `hyperparameters` to the `samples`" in str(
        isinstance(outcome.error, UnjudgedError) and outcome.error.hint
    )


def test_a_long_error_is_cut_between_words_in_the_line_of_a_target() -> None:
    outcome = Outcome(target=PLAIN, error=ToolError("a cause " * 40))
    assert outcome.line.endswith(" a cause a …")
    assert len(outcome.line) <= len("failed: ") + 102
    outcome = Outcome(target=PLAIN, error=ToolError("x" * 101))
    assert outcome.line == f"failed: {'x' * 50} …"


def test_the_test_of_a_target_wants_to_see_it_at_work(tmp_path: Path) -> None:
    outcome, where = run_test(PLAIN, IDLE, tmp_path, FULL)
    assert isinstance(outcome.error, UnjudgedError)
    assert where.find(records.VERIFIED, PLAIN.id) is not None  # it may be pushed all the same
    outcome, _ = run_test(PLAIN, (good("OUT-01"), good("SERVE-03")), tmp_path, FULL)
    assert outcome.error is None
    assert outcome.verified is not None


def test_an_image_for_processing_passes_the_gate_of_a_build(tmp_path: Path) -> None:
    target = replace(SAMPLED, purpose=Purpose.PROCESSING)
    skipped = (
        STATIC,
        open_("OUT-01", NotFor(Purpose.TRAINING)),
        open_("SERVE-03", NotFor(Purpose.INFERENCE)),
    )
    outcome, _ = run_test(target, skipped, tmp_path, verify.SMOKE)
    assert outcome.error is None
    assert outcome.verified is not None


def test_chosen_clauses_that_were_not_judged_are_an_error_for_targets_too(tmp_path: Path) -> None:
    depth = verify.Depth(profile=Profile.FULL, only=("DATA-02",), at_work=True)
    skipped = (open_("DATA-02", Unsampled("no channel")),)
    outcome, _ = run_test(SAMPLED, skipped, tmp_path, depth)
    assert isinstance(outcome.error, UnjudgedError)
    assert outcome.verified is None


def test_the_ledger_says_what_the_test_did_not_see() -> None:
    verified = replace(fakes.verified(), report=found(*IDLE))
    image = make.image(
        Published(
            verified=verified,
            digest=fakes.DIGEST,
            size=1,
            manifest_size=1,
            locations=(Location(uri="registry.example/demo:1.0-cpu-py311", pushed=True),),
        )
    )
    assert image.verdict.untried == "not trained, not served: no samples"
    assert image.verdict.summary == "1 passed; not trained, not served: no samples"


def test_what_is_broken_outranks_what_was_not_judged() -> None:
    assert worst([Exit.UNJUDGED, Exit.CONTRACT]) == Exit.CONTRACT
    assert worst([Exit.UNJUDGED, Exit.DONE]) == Exit.UNJUDGED


# Several targets

TARGETS = projects.targets(projects.MINIMAL.replace('"1.0"', '"1", "2", "3"'))


def asked(command: str = "build", *select: str) -> summary.Asked:
    return summary.Asked(command=command, select=select)


def test_the_last_line_counts_and_names_the_next_command(capsys: Captured) -> None:
    one, two, three = TARGETS
    outcomes = [
        Outcome(target=one),
        Outcome(target=two, error=ContractError("bad")),
        Outcome(target=three, error=UnjudgedError("open")),
    ]
    summary.summarize(asked(), TARGETS, outcomes)
    said = capsys.readouterr().err
    assert said.startswith("3 targets: 1 passed, 1 failed, 1 not judged in 0 s\n")
    assert f"`buildkit build {two.id} {three.id}`" in said


def test_what_is_left_out_is_counted_too(capsys: Captured) -> None:
    summary.summarize(asked(), TARGETS, [Outcome(target=TARGETS[0], error=ToolError("no"))])
    said = capsys.readouterr().err
    assert said.startswith("3 targets: 1 failed, 2 not begun in ")
    assert all(each.id in said for each in TARGETS)


def test_after_success_the_next_command_is_to_publish(capsys: Captured) -> None:
    summary.summarize(asked("build", "demo*"), TARGETS, [Outcome(target=each) for each in TARGETS])
    said = capsys.readouterr().err
    assert said.startswith("3 targets: 3 passed in ")
    assert "`buildkit push 'demo*'`" in said


def test_one_target_needs_no_summary(capsys: Captured) -> None:
    summary.summarize(asked(), TARGETS[:1], [Outcome(target=TARGETS[0])])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (60, "1 min"), (83, "1 min 23 s"), (3900, "1 h 5 min")],
)
def test_a_duration(seconds: float, text: str) -> None:
    assert summary.duration(seconds) == text


def test_json_has_the_verdict_of_each_target(capsys: Captured) -> None:
    outcome = Outcome(target=PLAIN, built=fakes.built(), report=found(*IDLE))
    failed = replace(outcome, error=UnjudgedError("open"))
    run = Run(outcomes=(failed,))
    assert summary.end(run, [PLAIN], asked(), as_json=True) == Exit.UNJUDGED
    (facts,) = json.loads(capsys.readouterr().out)["targets"]
    assert facts["status"] == "unjudged"
    assert facts["untried"] == "not trained, not served: no samples"
    assert facts["error"]["code"] == 8


@pytest.mark.parametrize(
    ("reason", "given"),
    [
        ("the channel 'foo' is missing: no data", "--channel foo=FOLDER"),
        ("no such file: /opt/ml/input/data/bar/x.csv", "--channel bar=FOLDER"),
        ("the channel is missing", "--channel training=FOLDER"),
    ],
)
def test_the_reason_of_an_image_that_is_not_judged_is_shown(
    reason: str, given: str, capsys: Captured
) -> None:
    outcome = f"`train` ended with 1; {checks.REASON_IS} {reason!r}"
    failed = Unsampled(outcome, "; it printed nothing", said=reason)
    other = Unsampled("the samples have no channel to leave out")  # another check of this clause
    merged = checks.merged(checks.judged("OUT-01", why) for why in (other, failed)).result
    seen = found(STATIC, merged, purpose=Purpose.TRAINING)
    summary.show(seen)
    assert judged.end(seen, "demo") is Exit.UNJUDGED
    said = " ".join(capsys.readouterr().err.split())
    assert said.count(repr(reason)) == 2
    assert given in said
