"""Which image runs, with which job, and which model."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from buildkit.contract.checks import TooBusy
from buildkit.contract.engine import Unfit
from buildkit.model.target import Payload, Purpose, Samples
from buildkit.run import image as images
from buildkit.run import serving, training
from buildkit.run.image import Image
from buildkit.support.errors import ContractError, ToolError, UsageError
from tests.support import projects

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.support.errors import BuildkitError


def an_image(folder: Path, purpose: Purpose = Purpose.BOTH, **samples: object) -> Image:
    target = replace(projects.target(), purpose=purpose)
    given = replace(Samples(), **samples)  # type: ignore[arg-type]
    return Image(name=target.id, reference="sha256:0", target=target, samples=given, folder=folder)


def kept_model(folder: Path) -> Path:
    path = folder / "model.tar.gz"
    path.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    ("files", "hyperparameters", "wanted"),
    [
        (["train.py", "model.py"], (), "train.py"),
        (["fit.R", "README.md"], (), "fit.R"),
        (["one.py", "two.py"], (), None),
        (["README.md"], (), None),
        (["train.py"], (("sagemaker_program", "other.py"),), None),
        (["train.py"], (("SAGEMAKER_PROGRAM", "other.py"),), None),
    ],
)
def test_the_script_of_a_folder_is_named_only_if_there_is_no_choice(
    tmp_path: Path, files: list[str], hyperparameters: tuple[tuple[str, str], ...], wanted: str
) -> None:
    for name in files:
        (tmp_path / name).write_text("")
    assert images.script_of(str(tmp_path), hyperparameters, "train.py") == wanted
    assert images.script_of(None, hyperparameters, "train.py") is None


def test_variables_of_the_samples_stay(tmp_path: Path) -> None:
    image = an_image(tmp_path, environment=(("A", "own"),))
    found = dict(image.with_variables({"A": "x", "B": "y"}).samples.environment)
    assert found == {"A": "own", "B": "y"}


@pytest.mark.parametrize(
    ("reported", "error"),
    [
        (Unfit("/opt/ml is a file"), ContractError),
        (TooBusy("no process can start"), ToolError),
    ],
)
def test_what_the_suite_would_report_is_an_error(
    reported: Exception, error: type[BuildkitError]
) -> None:
    with pytest.raises(error, match=str(reported)), images.explained("train"):
        raise reported


@pytest.mark.parametrize("name", ["sklearn-1.7.2-cpu-py311", "host:5000/a/b_c:1.0", "x" * 200])
def test_the_name_of_a_job_is_one_that_sagemaker_accepts(name: str) -> None:
    found = training.job_name(name, 0)
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", found)
    assert found.endswith("-1970-01-01-00-00-00")


def test_each_host_knows_all_hosts(tmp_path: Path) -> None:
    image = an_image(tmp_path, hyperparameters=(("a", "1"),), environment=(("AWS_REGION", "x"),))
    one, two = training.hosts(image, 2, "job")
    assert (one.host, two.host) == ("algo-1", "algo-2")
    assert one.hosts == two.hosts == ("algo-1", "algo-2")
    assert one.environment["TRAINING_JOB_NAME"] == "job"
    assert one.environment["TRAINING_JOB_ARN"].endswith(":training-job/job")
    assert one.environment["AWS_REGION"] == "x"
    assert one.configuration()["hyperparameters"] == {"a": "1"}


def test_the_model_is_the_given_one_then_the_trained_then_the_tested_then_the_sample(
    tmp_path: Path,
) -> None:
    sample, given = tmp_path / "sample", tmp_path / "given"
    sample.mkdir()
    given.mkdir()
    image = an_image(tmp_path, model=str(sample))
    assert serving.model_of(image, None, None).path == sample
    image = replace(image, tested=tmp_path / "test")
    assert serving.model_of(image, None, None).path == sample
    (tmp_path / "test").mkdir()
    (tmp_path / "test/model.tar.gz").touch()
    assert serving.model_of(image, None, None).path == tmp_path / "test/model.tar.gz"
    trained = kept_model(tmp_path)
    assert serving.model_of(image, None, None).path == trained
    assert serving.model_of(image, given, None).path == given
    with pytest.raises(UsageError, match="does not exist"):
        serving.model_of(image, tmp_path / "absent", None)


def test_without_a_model_only_an_image_that_does_not_train_is_served(tmp_path: Path) -> None:
    assert serving.model_of(an_image(tmp_path, Purpose.INFERENCE), None, None).path is None
    assert serving.model_of(replace(an_image(tmp_path), target=None), None, None).path is None
    image = an_image(tmp_path)
    with pytest.raises(UsageError) as error:
        serving.model_of(image, None, None)
    assert f"`buildkit run {image.name} train`" in str(error.value.hint)


def test_an_image_runs_only_what_it_is_for(tmp_path: Path) -> None:
    images.need(an_image(tmp_path, Purpose.TRAINING), "train")
    for purpose, program in ((Purpose.TRAINING, "serve"), (Purpose.PROCESSING, "train")):
        with pytest.raises(UsageError, match=f"has no `{program}`"):
            images.need(an_image(tmp_path, purpose), program)


def test_the_curl_line_sends_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    payload = Payload(
        content_type="text/csv",
        body=str(tmp_path / "my data.csv"),
        accept="application/json",
        headers=(("X-A", "it's"),),
    )
    assert serving.curl("http://127.0.0.1:1", payload) == (
        "curl --data-binary '@my data.csv' -H 'Content-Type: text/csv' -H 'X-A: it'\"'\"'s' "
        "-H 'Accept: application/json' http://127.0.0.1:1/invocations"
    )
    assert "@FILE" in serving.curl("http://127.0.0.1:1", None)


def test_images_with_similar_names_have_folders_of_their_own() -> None:
    names = ["me/app:1", "me-app:1", "me-app-1"]
    assert len({images.folder_name(each) for each in names}) == len(names)
    assert images.folder_name("me-app-1") == "me-app-1"
