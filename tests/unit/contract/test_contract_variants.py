"""Judgements on variants of a good run, on observations made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkit.contract.checks import Broken, Doubtful, Unseen
from buildkit.contract.engine import Entry, Line
from buildkit.contract.jobs import diagnosis, edge_cases, metrics, pipes, repeated, variants
from buildkit.contract.jobs.training_job import Channel, Job
from buildkit.contract.jobs.training_runs import Run
from buildkit.contract.jobs.variants import content_type
from buildkit.contract.jobs.variations import blame

if TYPE_CHECKING:
    from pathlib import Path


def run(exit_code: int | None = 0, *texts: str, failure: bytes | None = None, **facts: Any) -> Run:
    reason = Entry(name="output/failure", kind="file", size=1, mode=0o644, content=failure)
    return Run(
        **{
            "refusal": None,
            "exit_code": exit_code,
            "seconds": 1.0,
            "log": "\n".join(texts),
            "lines": tuple(Line(at=0.0, text=text) for text in texts),
            "tree": () if failure is None else (reason,),
            **facts,
        }
    )


GOOD = run()


@pytest.mark.parametrize(
    ("sent", "other"),
    [
        ("abc", '"abc"'),
        ('"abc"', "abc"),
        ('"3"', '"3"'),  # bare it would be a number
        ('""', '""'),
        ("3", "3"),
        ("1e-3", "1e-3"),
        (".5", ".5"),
        ("nan", "nan"),
        ("True", "true"),
        ("[1, 2]", "[1, 2]"),
        (3, 3),
    ],
)
def test_text_is_quoted_or_bare_and_a_number_stays(sent: object, other: object) -> None:
    assert variants.other_encoding(sent) == other


def test_reserved_names_leave_the_samples_own_alone() -> None:
    work = Job(hyperparameters={"sagemaker_region": "eu-west-1", "epochs": "2"}, channels=())
    sent = variants.reserved.change(work).hyperparameters
    assert sent["sagemaker_region"] == "eu-west-1"
    assert sent["sagemaker_container_log_level"] == "20"
    assert sent["sagemaker_job_name"] == '"buildkit-test"'
    assert "sagemaker_submit_directory" not in sent


def test_content_type_is_told_by_all_files_or_by_none(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    assert content_type(Channel(name="x", path=tmp_path)) == "text/csv"
    (tmp_path / "labels.json").touch()
    assert content_type(Channel(name="x", path=tmp_path)) is None


def test_a_bad_variant_is_blamed() -> None:
    blame(GOOD, run(), "something odd")
    with pytest.raises(Broken, match=r"with something odd `train` ended with 1(?s:.*)no way"):
        blame(GOOD, run(1, "no way"), "something odd")


def test_a_variant_of_a_slow_run_is_not_blamed_for_its_time() -> None:
    with pytest.raises(Broken):
        blame(GOOD, run(None, seconds=600), "something odd")
    with pytest.raises(Unseen):
        blame(run(seconds=500), run(None, seconds=600), "something odd")


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (run(), None),
        (run(1, failure=b"no epochs"), None),
        (run(1, "epochs is missing"), Doubtful),
        (run(1, "Traceback (most recent call last):", "KeyError: 'epochs'"), Broken),
        (run(1), Broken),
        (run(None, "waiting"), Broken),
    ],
)
def test_without_hyperparameters_a_reason_is_enough(
    found: Run, verdict: type[Exception] | None
) -> None:
    seen = edge_cases.Compared(plain=GOOD, run=found)
    if verdict is None:
        edge_cases.bears_no_hyperparameters.judge(seen)
        return
    with pytest.raises(verdict):
        edge_cases.bears_no_hyperparameters.judge(seen)


@pytest.mark.parametrize("found", [run(2, "usage"), run(None)])
def test_an_unknown_word_may_only_run_on_in_a_server(found: Run) -> None:
    edge_cases.refuses_strange_words.judge(edge_cases.Word(serves=True, run=found))
    with pytest.raises(Broken):
        edge_cases.refuses_strange_words.judge(edge_cases.Word(serves=True, run=run(0)))


def test_an_unknown_word_does_not_hang_a_training_image() -> None:
    with pytest.raises(Broken):
        edge_cases.refuses_strange_words.judge(edge_cases.Word(serves=False, run=run(None)))


@pytest.mark.parametrize("found", [run(1), run(None, seconds=60)])
def test_without_gpu_it_ends_soon_and_says_why(found: Run) -> None:
    edge_cases.does_without_gpu.judge(run(1, failure=b"no GPU"))
    with pytest.raises(Broken):
        edge_cases.does_without_gpu.judge(found)


def test_left_overs_and_the_cache_are_blamed_apart() -> None:
    pair = (GOOD, GOOD)
    cache = repeated.Repeats(plain=GOOD, pair=pair, warm=run(1), cold=run())
    repeated.runs_again.judge(cache)
    with pytest.raises(Broken):
        repeated.runs_warm.judge(cache)
    outputs = repeated.Repeats(plain=GOOD, pair=pair, warm=run(1), cold=run(1))
    with pytest.raises(Broken):
        repeated.runs_again.judge(outputs)
    with pytest.raises(Unseen):
        repeated.runs_warm.judge(outputs)


@pytest.mark.parametrize(
    ("log", "name"),
    [
        ("KeyError: 'SM_MODEL_DIR'", "SM_MODEL_DIR"),
        ("train: line 3: SM_CHANNEL_TRAIN: unbound variable", "SM_CHANNEL_TRAIN"),
        ("train: 3: SM_HPS: parameter not set", "SM_HPS"),
        ("KeyError: 'epochs'", None),
        ("SM_MODEL_DIR: /opt/ml/model", None),
    ],
)
def test_missing_variables_are_told_from_printed_ones(log: str, name: str | None) -> None:
    assert diagnosis.missing_variable(log) == name


@pytest.mark.parametrize("text", ["0.1", "-3", ".5", "1e-3", " 7 ", "5."])
def test_numbers(text: str) -> None:
    assert metrics.is_finite(text)


@pytest.mark.parametrize(
    "text", ["nan", "inf", "1,234.5", "1_000", "0.1s", "", "\x1b[1m0.1", "0x1"]
)
def test_no_numbers(text: str) -> None:
    assert not metrics.is_finite(text)


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        (("loss=0.5;", "loss=0.4;"), None),
        (("loss: 0.5",), Broken),
        (("loss=0.5;", "loss=nan;"), Broken),
        (("loss: 0.5",) * 1600, Unseen),
    ],
)
def test_metrics(lines: tuple[str, ...], verdict: type[Exception] | None) -> None:
    printed = metrics.Printed(run=run(0, *lines), metrics={"loss": "loss=(.*?);"})
    if verdict is None:
        metrics.metrics_are_numbers.judge(printed)
        return
    with pytest.raises(verdict):
        metrics.metrics_are_numbers.judge(printed)


@pytest.mark.parametrize("text", ["\x1b[32mloss=1\x1b[0m", "10%\r20%\r"])
def test_decorated_lines_are_doubtful_where_no_metric_is_declared(text: str) -> None:
    with pytest.raises(Doubtful):
        metrics.lines_are_plain.judge(metrics.Printed(run=run(0, text), metrics={}))


def test_a_pattern_without_group_or_sense() -> None:
    with pytest.raises(Broken):
        metrics.values("loss=1", ["loss=1"])
    with pytest.raises(Unseen):
        metrics.values("loss=(", ["loss=1"])


def test_a_pipe_job_has_to_read_a_pipe() -> None:
    fed = pipes.fed("ready\nfed my-data 0\nfed my-data x\nfed\n")
    assert fed == {("my-data", 0)}
    pipes.reads_pipes.judge(pipes.Piped(channels=("my-data",), run=GOOD, fed=fed))
    with pytest.raises(Broken):
        pipes.reads_pipes.judge(pipes.Piped(channels=("x",), run=GOOD, fed=frozenset()))
    with pytest.raises(Broken, match="my-data_0"):
        pipes.reads_pipes.judge(pipes.Piped(channels=("my-data",), run=run(1), fed=fed))


def test_pipes_have_no_folder() -> None:
    work = Job(
        hyperparameters={}, channels=(Channel(name="a", path=None), Channel(name="b", path=None))
    )
    piped = pipes.piped(work, ("a",))
    assert piped.fifos == ("input/data/a_0",)
    assert [each.absent for each in piped.channels] == [True, False]
    assert piped.channels[0].facts["TrainingInputMode"] == "Pipe"
