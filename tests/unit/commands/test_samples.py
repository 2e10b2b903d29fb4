"""Samples: on the command line as in images.toml, with variables for containers and headers."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from buildkit.commands import samples as samples_of
from buildkit.commands.samples import Given
from buildkit.contract import defaults
from buildkit.contract.hosting import starting
from buildkit.contract.hosting.server import request_headers
from buildkit.contract.jobs import processing_job, training_job, training_runs
from buildkit.contract.scenario import Bench, Subject
from buildkit.model.target import Payload, Purpose, Samples
from buildkit.support.errors import ConfigError, UsageError
from buildkit.verify import fingerprint
from tests.support import projects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit.contract.engine import Start

TOML = """
[image.own]
versions = ["1.0"]
base = "python:{python}-slim"
purposes = ["inference"]

[image.own.samples]
environment = { MODEL_NAME = "small", JSON = "{\\n}" }

[[image.own.samples.payload]]
content-type = "text/plain"
body = "serve"
headers = { "X-Amzn-SageMaker-Custom-Attributes" = "accept_eula=true" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "serve").write_text("x")
    (tmp_path / "request.csv").write_text("1\n")
    return tmp_path


# In images.toml


def test_samples_say_variables_and_headers(folder: Path) -> None:
    samples = projects.target(TOML, folder).samples
    assert dict(samples.environment) == {"MODEL_NAME": "small", "JSON": "{\n}"}
    (payload,) = samples.payloads
    assert dict(payload.headers) == {"X-Amzn-SageMaker-Custom-Attributes": "accept_eula=true"}


def test_a_header_may_be_empty(folder: Path) -> None:
    samples = projects.target(TOML.replace('"accept_eula=true"', '""'), folder).samples
    (payload,) = samples.payloads
    assert dict(payload.headers) == {"X-Amzn-SageMaker-Custom-Attributes": ""}


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("MODEL_NAME =", '"MODEL-NAME" =', "is not the name of a variable"),
        ('"small"', "1", "expected a string, found 1; put it in quotes"),
        ('"small"', '"a\\u0000b"', "holds the character 0"),
        ('"X-Amzn-SageMaker-Custom-Attributes"', '"a b"', "is not the name of a header"),
        ('"X-Amzn-SageMaker-Custom-Attributes"', '"Accept"', "is a key of its own"),
        ('"X-Amzn-SageMaker-Custom-Attributes"', '"Content-Length"', "is set by the HTTP client"),
        ('"accept_eula=true"', '"ü"', "cannot be sent as a header"),
        (
            '"accept_eula=true"',
            '"x", "x-amzn-sagemaker-custom-attributes" = "y"',
            "is listed twice",
        ),
    ],
)
def test_what_is_no_variable_or_header_is_a_problem(
    folder: Path, old: str, new: str, wanted: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        projects.target(TOML.replace(old, new), folder)
    assert wanted in caught.value.details


def test_they_are_part_of_what_an_image_was_tested_with(folder: Path) -> None:
    plain = projects.target(TOML, folder)
    others = [TOML.replace('"small"', '"large"'), TOML.replace("eula=true", "eula=false")]
    found = {fingerprint.of_target(projects.target(text, folder)) for text in (TOML, *others)}
    assert len(found) == 3
    assert fingerprint.of_target(plain) in found


# In the containers and requests of a test

VARIABLES = Samples(environment=(("MODEL_NAME", "small"), ("AWS_REGION", "eu-west-1")))


def test_a_job_has_the_variables() -> None:
    work = training_job.of(VARIABLES)
    assert work.environment["MODEL_NAME"] == "small"
    assert work.environment["AWS_REGION"] == "eu-west-1"
    assert work.environment["TRAINING_JOB_NAME"] == training_job.NAME
    assert processing_job.of("demo", VARIABLES).environment["MODEL_NAME"] == "small"


class Stopped(Exception):  # noqa: N818
    """The fake engine has seen enough."""


class Engine:
    """Notes how containers are started, and starts none."""

    def __init__(self) -> None:
        self.starts: list[Start] = []

    def volume(self) -> Any:
        return self

    def __enter__(self) -> str:
        return "volume"

    def __exit__(self, *_: object) -> None:
        pass

    def container(self, _image: str, start: Start) -> Any:
        self.starts.append(start)
        raise Stopped


def started(samples: Samples, **changes: Any) -> Mapping[str, str]:
    """The variables of a job's container, and of a server's: they are the same but for AWS's."""
    engine: Any = Engine()
    subject = Subject(image="demo", architecture=None, purpose=Purpose.BOTH, samples=samples)
    bench = Bench(subject=subject, engine=engine, kept=None)  # type: ignore[arg-type]
    server = replace(starting.SERVE, **changes)
    with pytest.raises(Stopped), starting.started(bench, server):
        pass
    with (
        pytest.raises(Stopped),
        training_runs.laid_out(bench, training_job.Job(hyperparameters={}, channels=())),
    ):
        pass
    in_server, in_job = engine.starts
    assert {*in_server.environment} <= {*in_job.environment, *changes.get("environment", {})}
    return dict(in_server.environment)


def test_every_container_has_the_variables() -> None:
    assert started(VARIABLES) == dict(VARIABLES.environment)


def test_what_a_scenario_is_about_comes_before_them() -> None:
    assert started(VARIABLES, environment={"MODEL_NAME": ""})["MODEL_NAME"] == ""


def test_a_request_bears_the_headers_of_its_sample() -> None:
    payload = Payload(
        content_type="text/csv", body="x", accept="text/csv", headers=(("X-Custom", "1"),)
    )
    assert request_headers(payload) == {
        "Content-Type": "text/csv", "Accept": "text/csv", "X-Custom": "1",
    }  # fmt: skip
    more = {"x-custom": "2", "X-Amzn-SageMaker-Session-Id": "NEW_SESSION"}
    assert request_headers(payload, more) == {
        "Content-Type": "text/csv", "Accept": "text/csv", "X-Custom": "1",
        "X-Amzn-SageMaker-Session-Id": "NEW_SESSION",
    }  # fmt: skip


# On the command line


def on_top(folder: Path, lent: Samples = Samples(), **given: Any) -> Samples:  # noqa: B008
    return samples_of.on_top(Given(**given), lent, folder)


def test_the_options_become_samples(folder: Path) -> None:
    samples = on_top(
        folder,
        channel=("training=data",),
        payload=("request.csv", "serve:text/plain; charset=utf-8"),
        hyperparameter=("epochs=3", "empty=", "both=a=b"),
        environment=("MODEL_NAME=small",),
        header=("X-Custom: a: b",),
        model="data",
        adapter="data",
    )
    assert samples.channels == (("training", str(folder / "data")),)
    assert samples.hyperparameters == (("epochs", "3"), ("empty", ""), ("both", "a=b"))
    assert samples.environment == (("MODEL_NAME", "small"),)
    assert samples.model == samples.adapter == str(folder / "data")
    assert [each.content_type for each in samples.payloads] == [
        "text/csv", "text/plain; charset=utf-8",
    ]  # fmt: skip
    assert {each.headers for each in samples.payloads} == {(("X-Custom", "a: b"),)}
    assert samples.declared


def test_they_come_on_top_of_those_that_are_lent(folder: Path) -> None:
    lent = Samples(
        channels=(("training", "/lent"), ("other", "/lent")),
        hyperparameters=(("epochs", "1"),),
        environment=(("A", "1"),),
        payloads=(Payload(content_type="text/csv", body="/lent", headers=(("X-A", "1"),)),),
        metrics=(("loss", "loss=(.*)"),),
        model="/lent",
        adapter="/lent",
    )
    samples = on_top(
        folder,
        lent,
        channel=("training=data",),
        hyperparameter=("epochs=3",),
        payload=("request.csv:text/csv",),
        header=("X-B: 2",),
    )
    assert dict(samples.channels) == {"training": str(folder / "data"), "other": "/lent"}
    assert dict(samples.hyperparameters) == {"epochs": "3"}
    assert dict(samples.environment) == {"A": "1"}
    assert [each.body for each in samples.payloads] == ["/lent", str(folder / "request.csv")]
    assert [dict(each.headers) for each in samples.payloads] == [
        {"X-A": "1", "X-B": "2"},
        {"X-B": "2"},
    ]
    assert (samples.metrics, samples.model, samples.adapter) == (lent.metrics, "/lent", "/lent")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"channel": ("training",)}, "--channel 'training': no `=` between name and value"),
        ({"channel": ("training=nope",)}, "--channel 'training=nope': 'nope' not found"),
        ({"channel": ("a/b=data",)}, "--channel 'a/b=data': 'a/b' is not a channel"),
        ({"channel": ("=data",)}, "--channel '=data': '' is not a channel"),
        ({"channel": ("a=data", "a=data")}, "--channel 'a=data': the name is given twice"),
        ({"hyperparameter": ("epochs",)}, "--hyperparameter 'epochs': no `=`"),
        ({"environment": ("A-B=1",)}, "--environment 'A-B=1': 'A-B' is not the name of a variable"),
        ({"payload": ("nope.csv",)}, "--payload 'nope.csv': 'nope.csv' not found"),
        ({"payload": ("data:text/csv",)}, "--payload 'data:text/csv': 'data' is a folder"),
        (
            {"payload": ("serve",)},
            "--payload 'serve': the file extension has no known content type",
        ),
        (
            {"hyperparameter": ("=a",)},
            "--hyperparameter '=a': the name of a hyperparameter has 1 to",
        ),
        ({"hyperparameter": (f"{'k' * 257}=a",)}, "has 1 to 256 characters in SageMaker, not 257"),
        ({"hyperparameter": (f"a={'v' * 2501}",)}, "has 2,500 characters at most in SageMaker"),
        (
            {"hyperparameter": tuple(f"a{number}=1" for number in range(101))},
            "101 hyperparameters are too many: SageMaker accepts at most 100",
        ),
        ({"header": ("X-A",), "payload": ("request.csv",)}, "--header 'X-A': no `:`"),
        ({"header": ("Accept: x",), "payload": ("request.csv",)}, "is a key of its own"),
        ({"header": ("X A: x",), "payload": ("request.csv",)}, "'X A' is not the name of a header"),
        ({"model": "serve"}, "--model 'serve': 'serve' is a file, not a folder"),
        ({"adapter": "serve"}, "--adapter 'serve': 'serve' is a file, not a folder"),
    ],
)
def test_what_images_toml_would_not_take_is_refused(
    folder: Path, given: dict[str, Any], wanted: str
) -> None:
    with pytest.raises(UsageError) as caught:
        on_top(folder, **given)
    assert wanted in caught.value.details
    assert caught.value.code == 2


@pytest.mark.parametrize("kind", ["nonsense", "text/", "/csv", "text csv/a", "text/csv:x"])
def test_what_is_no_content_type_is_told_as_that(
    folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError) as caught:
        on_top(folder, payload=(f"request.csv:{kind}",))
    assert caught.value.details == (
        f"--payload 'request.csv:{kind}': {kind!r} is not a content type, which is `type/subtype`, "
        "such as `text/csv`"
    )


def test_a_job_s_largest_hyperparameters_are_taken(folder: Path) -> None:
    given = (f"{'k' * 256}={'v' * 2500}", *(f"a{number}=" for number in range(99)))
    assert len(on_top(folder, hyperparameter=given).hyperparameters) == 100


@pytest.mark.parametrize(
    ("samples", "wanted"),
    [
        ('hyperparameters = { "" = "a" }', "has 1 to 256 characters in SageMaker, not 0"),
        (f'hyperparameters = {{ a = "{"v" * 2501}" }}', "2,500 characters at most in SageMaker"),
        ('[[image.demo.samples.payload]]\ncontent-type = "csv"\nbody = "b"', "is `type/subtype`"),
    ],
)
def test_images_toml_has_the_same_limits(folder: Path, samples: str, wanted: str) -> None:
    text = f"{projects.MINIMAL}[image.demo.samples]\n{samples}"
    with pytest.raises(ConfigError) as caught:
        projects.target(text, folder)
    assert wanted in caught.value.details
    assert len(caught.value.details) < 1000


def test_all_problems_are_told_at_once(folder: Path) -> None:
    with pytest.raises(UsageError, match="3 problems") as caught:
        on_top(folder, channel=("a=nope",), environment=("1=2",), payload=("serve",))
    assert len(caught.value.details.splitlines()) == 3


def test_a_file_that_does_not_exist_needs_no_content_type_as_well(folder: Path) -> None:
    with pytest.raises(UsageError, match="1 problem") as caught:
        on_top(folder, payload=("x.unk",))
    assert "--payload 'x.unk': 'x.unk' not found" in caught.value.details


def test_a_header_needs_a_request(folder: Path) -> None:
    with pytest.raises(UsageError, match="needs a `--payload`"):
        on_top(folder, header=("X-A: 1",))


def test_a_path_may_hold_a_colon(folder: Path) -> None:
    (folder / "a:b.csv").write_text("1")
    (payload,) = on_top(folder, payload=("a:b.csv",)).payloads
    assert payload.body == str(folder / "a:b.csv")
    (payload,) = on_top(folder, payload=("a:b.csv:application/x-own",)).payloads
    assert (payload.body, payload.content_type) == (str(folder / "a:b.csv"), "application/x-own")


def test_a_command_gets_all_options_as_one_value() -> None:
    seen: list[Given] = []

    @click.command()
    @samples_of.OPTIONS
    @click.option("--other", is_flag=True)
    def command(*, given: Given, other: bool) -> int:
        seen.append(given)
        return int(other)

    done = CliRunner().invoke(
        command, ["--channel", "a=b", "--channel", "c=d", "--header", "X: y", "--other"]
    )
    assert done.exit_code == 0, done.output
    assert seen == [Given(channel=("a=b", "c=d"), header=("X: y",))]
    assert not Given()
    said = CliRunner().invoke(command, ["--help"]).output
    assert all(f"--{each}" in said for each in ("channel", "payload", "environment", "header"))


# The suite's own


def test_samples_that_are_declared_stay_alone() -> None:
    subject = Subject(image="x", architecture=None, purpose=Purpose.BOTH, samples=VARIABLES)
    assert defaults.lent(subject, object()) is subject  # type: ignore[arg-type]


def test_a_server_is_lent_a_row_and_no_channel() -> None:
    subject = Subject(image="x", architecture=None, purpose=Purpose.INFERENCE, samples=Samples())
    samples = defaults.lent(subject, object()).samples  # type: ignore[arg-type]
    assert samples.default
    assert not samples.declared
    assert samples.channels == ()
    assert [Path(each.body).read_text() for each in samples.payloads] == ["5.0,3.5,1.3,0.3\n"]


@pytest.mark.parametrize(
    ("run", "takes"),
    [
        ({"exit_code": 0, "tree": ("model/model.bin",)}, True),
        ({"exit_code": 0, "tree": ()}, False),
        ({"exit_code": 1, "tree": ("model/model.bin",)}, False),
        ({"exit_code": None, "tree": ("model/model.bin",)}, False),
    ],
)
def test_the_table_is_lent_to_an_image_that_makes_a_model_of_it(
    run: dict[str, Any], takes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from buildkit.contract.engine import Entry

    tree = tuple(Entry(name=name, kind="file", size=1, mode=0o644) for name in run["tree"])
    done = training_runs.Run(refusal=None, exit_code=run["exit_code"], seconds=1, log="", tree=tree)
    monkeypatch.setattr(training_runs, "train", lambda *_, **__: done)
    subject = Subject(image="x", architecture=None, purpose=Purpose.BOTH, samples=Samples())
    samples = defaults.lent(subject, object()).samples  # type: ignore[arg-type]
    assert [name for name, _ in samples.channels] == (["train", "training"] if takes else [])
    table = defaults.FOLDER / "table" / "table.csv"
    rows = table.read_text().splitlines()
    assert all(re.fullmatch(r"\d(,\d+\.\d+){4}", row) for row in rows)
