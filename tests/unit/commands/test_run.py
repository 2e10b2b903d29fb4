"""`buildkit run`: what is refused before an engine is asked, and how answers are printed."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from buildkit import cli
from buildkit.commands import run_serve, run_train
from buildkit.contract.hosting.client import Answer
from buildkit.model.target import Samples
from buildkit.run.image import Image
from buildkit.run.kept import Kept
from buildkit.run.training import Trained
from buildkit.support.errors import Exit
from buildkit.system import stopping

if TYPE_CHECKING:
    from pathlib import Path

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["x"], "missing argument 'train|serve'"),
        (["x", "fit"], "'fit' is not one of 'train', 'serve'"),
        (["x", "train", "--port", "80"], "`--port` is an option of `serve`, not of `train`"),
        (["x", "serve", "--hosts", "2"], "`--hosts` is an option of `train`, not of `serve`"),
        (["x", "serve", "--channel", "a=b"], "`--channel` is an option of `train`"),
        (["x", "serve", "--accept", "text/csv"], "need a file to send"),
        (["x", "serve", "--invoke", "absent.csv"], "absent.csv"),
        (["x", "train", "--shell", "--json"], "`--shell` excludes"),
        (["x", "train", "--hosts", "9"], "--hosts"),
        (["x", "train", "--shell", "--hosts", "2"], "`--shell` excludes `--hosts`"),
        (["x", "serve", "--shell", "--port", "9000"], "`--shell` excludes `--hosts`"),
        (["x", "serve", "--invoke", __file__, "--page"], "`--invoke` excludes"),
        (["x", "serve", "--invoke", __file__, "--port", "9000"], "`--invoke` excludes"),
        (["x", "serve", "--invoke", __file__, "--content-type", "a\nb"], "`--content-type` is no"),
        (["x", "serve", "--invoke", __file__, "--accept", "\u2192"], "`--accept` is no value"),
    ],
)
def test_what_makes_no_sense_is_refused(
    words: list[str], wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["run", *words]) == Exit.USAGE
    err = capsys.readouterr().err
    assert wanted in err
    assert "\nhint: " in err


def an_image(folder: Path) -> Image:
    return Image(name="mine:1", reference="x", target=None, samples=Samples(), folder=folder)


def trained(folder: Path, **changes: object) -> Trained:
    kept = Kept(folder=folder, model=folder / "model.tar.gz", output=None)
    facts = {
        "exit_code": 0, "seconds": 1.23456, "stopped": False, "killed": False, "reason": "",
        "ended_by": "", "kept": kept,
    }  # fmt: skip
    return Trained(**{**facts, **changes})  # type: ignore[arg-type]


def test_a_training_is_an_object(tmp_path: Path) -> None:
    assert run_train.document(an_image(tmp_path), trained(tmp_path)) == {
        "target": None,
        "image": "mine:1",
        "program": "train",
        "exit_code": 0,
        "seconds": 1.235,
        "stopped": False,
        "killed": False,
        "failure": None,
        "model": str(tmp_path / "model.tar.gz"),
        "output": None,
    }
    failed = trained(tmp_path, exit_code=3, reason="no data", kept=None)
    found = run_train.document(an_image(tmp_path), failed)
    assert (found["exit_code"], found["failure"], found["model"]) == (3, "no data", None)


def test_only_what_fails_by_itself_has_failed(tmp_path: Path) -> None:
    assert trained(tmp_path, exit_code=1).failed
    assert not trained(tmp_path, exit_code=143, stopped=True).failed
    assert not trained(tmp_path).failed


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"1\n", ("1\n", "text")),
        (b"\xff", (base64.b64encode(b"\xff").decode(), "base64")),
    ],
)
def test_an_answer_is_an_object(tmp_path: Path, body: bytes, wanted: tuple[str, str]) -> None:
    answer = Answer(status=200, content_type="text/csv", body=body, headers={"a": "b"})
    found = run_serve.document(an_image(tmp_path), answer)
    assert (found["body"], found["encoding"]) == wanted
    assert (found["status"], found["headers"]) == (200, {"a": "b"})


def test_the_first_signal_asks_the_work_and_only_the_second_interrupts_it() -> None:
    assert not stopping.ask_gently()
    with stopping.gently() as asked:
        assert not asked.is_set()
        assert stopping.ask_gently()
        assert asked.is_set()
        assert not stopping.ask_gently()
        assert not stopping.is_asked()
    assert not stopping.ask_gently()
