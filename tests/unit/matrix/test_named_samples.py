"""Samples with a name are written once, and used by many images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildkit.ci import revisions
from buildkit.config import images_toml
from buildkit.matrix import matrix
from buildkit.support.errors import ConfigError
from tests.support.projects import MINIMAL, parse, target, targets

if TYPE_CHECKING:
    from buildkit.model.target import Samples

ROOT = Path(__file__).parents[3]
IRIS = """
[samples.iris]
hyperparameters = { rounds = "20", seed = "1" }
metrics = { accuracy = "accuracy=([0-9.]+)" }
objective = "accuracy"
environment = { MODEL = "small" }
startup-seconds = 60
"""
WRITTEN_OUT = IRIS.replace("[samples.iris]", "[image.demo.samples]")
OVERRIDE = "[[image.demo.override]]\nwhen = { python = '3.11' }\n"


def samples(text: str) -> Samples:
    return target(MINIMAL + text).samples


@pytest.mark.parametrize(
    "use",
    [
        pytest.param("samples = 'iris'\n", id="a name"),
        pytest.param("samples = { use = 'iris' }\n", id="a table"),
        pytest.param("[image.demo.samples]\nuse = 'iris'\n", id="a table of its own"),
        pytest.param("samples.use = 'iris'\n", id="dots"),
        pytest.param("samples = {}\n" + OVERRIDE + "samples = 'iris'\n", id="in an override"),
        pytest.param("[defaults]\nsamples = 'iris'\n", id="in defaults"),
    ],
)
def test_named_samples_are_those_that_the_image_would_write_out(use: str) -> None:
    assert samples(use + IRIS) == samples(WRITTEN_OUT)


@pytest.mark.parametrize(
    ("own", "without"),
    [
        ("hyperparameters = { rounds = '5' }", "hyperparameters"),
        ("metrics = { accuracy = '(.)' }", "metrics"),
        ("environment = {}", "environment"),
        ("startup-seconds = 90", "startup-seconds"),
    ],
)
def test_a_key_of_the_image_replaces_that_of_the_named_samples_as_a_whole(
    own: str, without: str
) -> None:
    rest = "".join(f"{line}\n" for line in WRITTEN_OUT.splitlines() if not line.startswith(without))
    assert samples(f"samples = {{ use = 'iris', {own} }}\n{IRIS}") == samples(f"{rest}{own}\n")


def test_an_empty_text_takes_a_key_out(tmp_path: Path) -> None:
    """An empty path is otherwise the whole project."""
    (tmp_path / "data").mkdir()
    named = "[samples.iris]\nmetrics = { a = '(.)' }\nobjective = 'a'\n"
    named += "code = 'data'\nmodel = 'data'\nadapter = 'data'\n"
    own = "code = '', model = '', adapter = '', objective = ''"
    image = f"context = ''\nsamples = {{ use = 'iris', {own} }}\n"
    text = f"{MINIMAL}{image}[defaults]\ncontext = 'data'\n{named}"
    found = target(text, tmp_path)
    assert found.context is None
    assert (found.samples.code, found.samples.model, found.samples.adapter) == (None, None, None)
    assert found.samples.objective is None


def test_each_image_replaces_its_own_keys() -> None:
    text = "[defaults]\nbase = 'b'\nsamples = 'iris'\n" + IRIS
    text += "[image.one]\nversions = ['1']\n"
    text += "[image.two]\nversions = ['1']\nsamples = { use = 'iris', startup-seconds = 90 }\n"
    text += "[image.three]\nversions = ['1']\nsamples = { startup-seconds = 90 }\n"
    one, two, three = (each.samples for each in targets(text))
    assert (one.startup_seconds, two.startup_seconds, three.startup_seconds) == (60, 90, 90)
    assert one.hyperparameters == two.hyperparameters
    assert three.hyperparameters == ()


def test_paths_of_named_samples_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    for name in ("body.csv", "answer.csv"):
        (tmp_path / name).write_text("1\n")
    (tmp_path / "data").mkdir()
    text = "samples = 'iris'\n[samples.iris]\nchannels = { training = 'data' }\ncode = 'data'\n"
    text += "[[samples.iris.payload]]\ncontent-type = 'text/csv'\n"
    text += "body = 'body.csv'\nanswer = 'answer.csv'\n"
    found = target(MINIMAL + text, tmp_path).samples
    assert found.channels == (("training", str(tmp_path / "data")),)
    assert found.code == str(tmp_path / "data")
    assert [each.answer for each in found.payloads] == [str(tmp_path / "answer.csv")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            "samples = 3\n" + IRIS,
            ["images.toml:5: image.demo.samples: expected a name or a table `{ … }`, found 3"],
            id="a number",
        ),
        pytest.param(
            "samples = ['iris']\n" + IRIS, ["found a list"], id="a list of names"
        ),
        pytest.param(
            "samples = 'irsi'\n" + IRIS,
            ["images.toml:5: image.demo.samples: unknown samples 'irsi'; did you mean `iris`?"],
            id="a name misspelt",
        ),
        pytest.param(
            "[image.demo.samples]\nenvironment = {}\nuse = 'irsi'\n" + IRIS,
            ["images.toml:7: image.demo.samples.use: unknown samples 'irsi'; did you mean `iris`?"],
            id="a name misspelt in a table",
        ),
        pytest.param("samples = 'x'\n" + IRIS, ["'x'; known samples: `iris`"], id="no similar name"),
        pytest.param("samples = ''\n" + IRIS, ["''; known samples: `iris`"], id="an empty name"),
        pytest.param(
            "samples = 'iris'\n", ["'iris'; write a table `[samples.iris]`"], id="no named samples"
        ),
        pytest.param(
            "samples = { use = 3 }\n" + IRIS,
            ["image.demo.samples.use: expected a string, found 3"],
            id="a number for a name",
        ),
        pytest.param(
            OVERRIDE + "samples = 'irsi'\n" + IRIS,
            ["images.toml:7: image.demo.override.0.samples: unknown samples 'irsi'"],
            id="in an override",
        ),
        pytest.param(
            "[defaults]\nsamples = 'irsi'\n" + IRIS,
            ["images.toml:6: defaults.samples: unknown samples 'irsi'"],
            id="in defaults",
        ),
        pytest.param(
            IRIS,
            ['images.toml:6: samples.iris: no image uses these samples; write `samples = "iris"`'],
            id="used by no image",
        ),
        pytest.param(
            "samples = 'iris'\n" + IRIS + "use = 'other'\n[samples.other]\n",
            ["images.toml:13: samples.iris.use: named samples cannot use others"],
            id="one in another",
        ),
        pytest.param(
            "[samples]\nchannels = { training = 'data' }\n",
            ["images.toml:6: samples.channels: `channels` is a key of samples, not a name"],
            id="no name",
        ),
        pytest.param("[samples.Iris]\n", ["samples.Iris: 'Iris' is not a name"], id="capitals"),
        pytest.param(
            "samples = 'iris'\n[samples]\niris = 'data'\n",
            ["images.toml:7: samples.iris: expected a table `{ … }`, found 'data'"],
            id="a text for a table",
        ),
        pytest.param(
            "samples = { use = 'iris', metrics = {} }\n" + IRIS,
            ["images.toml:5: image.demo.samples.objective: 'accuracy' is not one of the metrics"],
            id="an objective whose metric the image replaces",
        ),
        pytest.param(
            "samples = 'iris'\n[samples.iris]\nobjective = 'a'\nmetrics = { a = 'x' }\n",
            ["images.toml:8: samples.iris.metrics.a: 'x' has no group"],
            id="no follow-up of a wrong key",
        ),
        pytest.param(
            "samples = 'iris'\n[samples.iris]\ncode = 'gone'\nchannels = { training = 'away' }\n"
            "[image.two]\nversions = ['1']\nbase = 'b'\nsamples = 'iris'\n",
            [
                "images.toml:7: samples.iris.code: 'gone' not found",
                "images.toml:8: samples.iris.channels.training: 'away' not found",
            ],
            id="paths, once for all images",
        ),
    ],
)  # fmt: skip
def test_each_mistake_is_reported_once_with_its_line(text: str, said: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        targets(MINIMAL + text)
    lines = str(caught.value.details).splitlines()
    assert len(lines) == len(said)
    assert all(part in line for part, line in zip(said, lines, strict=True))


def test_samples_at_the_top_are_a_table_of_tables() -> None:
    with pytest.raises(ConfigError) as caught:
        targets("samples = 'iris'\n" + MINIMAL)
    assert "images.toml:1: samples: expected a table `{ … }`" in str(caught.value.details)


@pytest.mark.parametrize(
    "own",
    [
        pytest.param("[image.demo.samples]\ncode = 'a'\n", id="a table"),
        pytest.param("samples.code = 'a'\n", id="dots"),
        pytest.param("[[image.demo.samples.payload]]\nbody = 'a'\n", id="a payload"),
    ],
)
def test_a_name_beside_a_table_is_answered_with_the_key_to_write(own: str) -> None:
    with pytest.raises(ConfigError, match="`image.demo.samples` is written twice") as caught:
        parse(MINIMAL + "samples = 'iris'\n" + own + IRIS)
    assert caught.value.hint == 'remove line 5, and write `use = "iris"` beside the other keys'


def test_revise_leaves_named_samples_as_they_are() -> None:
    text = MINIMAL + 'samples = { use = "iris", startup-seconds = 90 }  # slow\n' + IRIS
    edited = revisions.edited(text, {"demo": {"1.0": "1.0-1"}})
    assert edited == text.replace('"1.0"', '"1.0-1"')


def test_the_shipped_file_shares_its_samples() -> None:
    config = images_toml.read(ROOT / "images.toml")
    found = {each.name: each.samples for each in matrix.expand(config)}
    assert found["sklearn"].payloads == found["mxnet"].payloads
    assert found["sklearn"].code != found["mxnet"].code
    assert found["basic"].metrics == ()
