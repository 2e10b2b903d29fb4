"""`buildkit spec`: what it prints, and what it says."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import pytest

from buildkit import cli
from buildkit.spec.kinds import Kind
from buildkit.support.errors import Exit
from tests.support import aws_api

if TYPE_CHECKING:
    from pathlib import Path

Captured = pytest.CaptureFixture[str]
IMAGES = """
[registry]
account = "123456789012"
region = "eu-west-1"

[image.demo]
versions = ["1.0"]
pythons = ["3.11", "3.13"]
base = "python:3.11-slim"
template = "basic"
context = "program"

[image.demo.samples]
channels = { training = "my data" }
model = "model"
code = "code"

[[image.demo.samples.payload]]
content-type = "text/csv"
body = "payload.csv"
"""
TARGET = "demo-1.0-cpu-py311"
ODD = "my-bucket/a(b)'c"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("program", "my data", "model", "code"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("1\n")
    (tmp_path / "payload.csv").write_text("1\n")
    (tmp_path / "images.toml").write_text(IMAGES)
    monkeypatch.chdir(tmp_path)
    for name in ("BUILDKIT_REGISTRY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_one_request_is_what_the_aws_cli_takes(project: Path, capsys: Captured) -> None:
    assert cli.run(["spec", TARGET, "training-job", "--role", "r", "--bucket", "my-bucket"]) == 0
    said = capsys.readouterr()
    request = json.loads(said.out)
    aws_api.check(aws_api.model("sagemaker"), "CreateTrainingJob", request)
    assert request["OutputDataConfig"] == {"S3OutputPath": "s3://my-bucket/demo/models/"}
    image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/demo:1.0-cpu-py311"
    code = "s3://my-bucket/demo/code/sourcedir.tar.gz"
    assert said.err.splitlines() == [
        f"{TARGET} is not published yet: {image} is the URI that it will have",
        "upload before: aws s3 cp --recursive 'my data' s3://my-bucket/demo/input/training/",
        f"upload before: tar -czf - -C code . | aws s3 cp - {code}",
    ]


def test_several_requests_have_their_kinds_as_keys(project: Path, capsys: Captured) -> None:
    assert cli.run(["spec", TARGET, "endpoint", "model", "--json"]) == Exit.DONE
    said = capsys.readouterr()
    assert [*json.loads(said.out)] == ["model", "endpoint"]
    assert "placeholders to replace: --role for REPLACE-ROLE, --bucket" in said.err
    assert cli.run(["spec", TARGET]) == Exit.DONE
    assert "transform-job" in json.loads(capsys.readouterr().out)


def test_other_forms_are_texts(project: Path, capsys: Captured) -> None:
    for form, begin in (("boto3", "import boto3"), ("sdk", "import boto3"), ("terraform", "terra")):
        assert cli.run(["spec", TARGET, "--as", form]) == Exit.DONE
        said = capsys.readouterr()
        assert said.out.startswith(begin)
        assert ("does not wait for the training job" in said.err) is (form == "terraform")
        assert ("`transform-job`, `model-package`" in said.err) is (form == "terraform")


@pytest.mark.parametrize(
    ("arguments", "code", "wanted"),
    [
        pytest.param(["demo", "model"], Exit.USAGE, "matches 2 targets", id="several"),
        pytest.param([TARGET, "processing-job"], Exit.USAGE, "needs `processing`", id="purpose"),
        pytest.param([TARGET, "endpoints"], Exit.USAGE, "endpoint-config", id="kind"),
        pytest.param(["dmo", "model"], Exit.NOTHING_SELECTED, "demo", id="no target"),
        pytest.param(
            [TARGET, "transform-job", "--as", "terraform"], Exit.USAGE, "no resource", id="none"
        ),
        pytest.param([TARGET, "--json", "--as", "sdk"], Exit.USAGE, "exclude", id="forms"),
    ],
)
def test_a_mistake_is_an_error_with_its_name(
    project: Path, arguments: list[str], code: Exit, wanted: str, capsys: Captured
) -> None:
    assert cli.run(["spec", *arguments]) == code
    said = capsys.readouterr()
    assert wanted in said.err
    assert "hint: " in said.err
    assert said.out == "" or "--json" in arguments


def test_help_names_every_kind(capsys: Captured) -> None:
    assert cli.run(["spec", "--help"]) == Exit.DONE
    said = " ".join(capsys.readouterr().out.partition("Options:")[0].replace(",", "").split())
    assert {kind.value for kind in Kind} <= {*said.replace(";", "").split()}


def test_what_is_no_account_is_refused(project: Path, capsys: Captured) -> None:
    assert cli.run(["spec", TARGET, "--account", "12345"]) == Exit.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert "`12345` is not an AWS account of 12 digits" in said.err


def test_a_command_to_paste_is_quoted(project: Path, capsys: Captured) -> None:
    text = (project / "images.toml").read_text()
    (project / "images.toml").write_text(text.replace('"my data"', '"-data"'))
    (project / "my data").rename(project / "-data")
    assert cli.run(["spec", TARGET, "training-job", "--bucket", ODD]) == Exit.DONE
    lines = [line for line in capsys.readouterr().err.splitlines() if "upload before" in line]
    words = [shlex.split(line.partition(": ")[2]) for line in lines]
    assert words[0] == [
        "aws",
        "s3",
        "cp",
        "--recursive",
        "./-data",
        f"s3://{ODD}/demo/input/training/",
    ]
    assert words[1][-1] == f"s3://{ODD}/demo/code/sourcedir.tar.gz"
