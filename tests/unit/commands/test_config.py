"""`buildkit config`: the values of a target with their places, and the JSON Schema of the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import tomli

from buildkit import cli
from buildkit.commands.config import SCHEMA
from buildkit.matrix import targets
from buildkit.support.errors import Exit
from scripts.data import schema

ROOT = Path(__file__).parents[3]
IMAGES = """\
[registry]
tag = "{version}-{py}"

[defaults]
base = "python:{python}-slim-bookworm"
pythons = ["3.11"]
packages = ["numpy"]

[image.demo]
versions = ["1.0", "2.0-1"]
template = "basic"
packages = ["demo=={framework_version}"]
include = [{ version = "0.9", device = "cpu", python = "3.10" }]
args = { "A" = "x y" }

[image.demo.samples]
hyperparameters = { depth = "3" }

[[image.demo.override]]
when = { version = "2.*" }
network = true
labels = { "com.example.team" = "{name}" }
"""
FILES = ("images.toml", "examples/aws-toolkits/images.toml", "tests/e2e/everything/images.toml")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "images.toml"
    path.write_text(IMAGES)
    return path


def shown(file: Path, target: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert cli.run(["config", "show", target, "--file", str(file), "--json"]) == Exit.DONE
    ((found),) = json.loads(capsys.readouterr().out)
    assert found["target"] == target
    return {each["key"]: (each["value"], each["line"], each["written"]) for each in found["values"]}


def test_each_value_has_the_line_that_decides_it(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = shown(file, "demo-2.0-1-cpu-py311", capsys)
    assert found["version"] == ("2.0-1", 10, "image.demo.versions")
    assert found["python"] == ("3.11", 6, "defaults.pythons")
    assert found["device"] == ("cpu", None, None)
    assert found["base"] == ("python:3.11-slim-bookworm", 5, "defaults.base")
    assert found["packages"] == (["demo==2.0"], 12, "image.demo.packages")
    assert found["network"] == (True, 21, "image.demo.override.0.network")
    assert found["labels"] == ({"com.example.team": "demo"}, 22, "image.demo.override.0.labels")
    assert found["tag"] == ("2.0-1-py311", 2, "registry.tag")
    assert found["repository"] == ("demo", None, None)
    assert found["samples"] == ({"hyperparameters": {"depth": "3"}}, 16, "image.demo.samples")
    assert found["lock"] == (None, None, None)
    assert [*found][:5] == ["version", "device", "python", "purpose", "template"]


def test_a_dockerfile_replaces_what_only_templates_read(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = 'dockerfile = "docker/Dockerfile"\ntarget = "{purpose}"\nargs = { A = "x" }\n'
    file.write_text(IMAGES.partition("template =")[0] + own)
    (file.parent / "docker").mkdir()
    (file.parent / "docker" / "Dockerfile").write_text("FROM debian AS both\nARG A\n")
    found = shown(file, "demo-1.0-cpu-py311", capsys)
    assert found["dockerfile"] == ("docker/Dockerfile", 11, "image.demo.dockerfile")
    assert found["target"] == ("both", 12, "image.demo.target")
    assert found["base"] == ("debian", 11, "image.demo.dockerfile")
    assert found["context"] == ("docker", None, None)
    assert found["template"] == found["packages"] == found["lock"] == (None, None, None)
    (file.parent / "docker" / "Dockerfile").write_text("ARG BASE\nFROM $BASE AS both\nARG A\n")
    base = shown(file, "demo-1.0-cpu-py311", capsys)["base"]
    assert base == ("python:3.11-slim-bookworm", 5, "defaults.base")


def test_a_base_and_an_argument_have_the_line_of_the_key_that_gives_them(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = 'dockerfile = "Dockerfile"\n'
    own += '[[image.demo.override]]\nwhen = { version = "2.*" }\nargs = { BASE = "debian" }\n'
    file.write_text(IMAGES.partition("template =")[0] + own)
    (file.parent / "Dockerfile").write_text("ARG BASE\nFROM $BASE\n")
    found = shown(file, "demo-1.0-cpu-py311", capsys)
    assert found["args"] == ({"BASE": "python:3.11-slim-bookworm"}, 5, "defaults.base")
    found = shown(file, "demo-2.0-1-cpu-py311", capsys)
    assert found["base"] == ("debian", 14, "image.demo.override.0.args")


def test_each_image_is_made_once(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    of_image = targets.of_image

    def counted(name: str, *others: Any) -> Any:
        made.append(name)
        return of_image(name, *others)

    monkeypatch.setattr(targets, "of_image", counted)
    assert cli.run(["config", "show", "--all", "--file", str(file)]) == Exit.DONE
    assert capsys.readouterr().out.count("\n\n") == 2
    assert made == ["demo"]


def test_an_included_cell_comes_from_its_rule(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = shown(file, "demo-0.9-cpu-py310", capsys)
    assert found["version"] == ("0.9", 13, "image.demo.include.0")
    assert found["purpose"] == ("both", None, None)
    assert found["network"] == (False, None, None)


def test_people_get_lines(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["config", "show", "demo", "--file", str(file)]) == Exit.DONE
    blocks = capsys.readouterr().out.split("\n\n")
    assert [block.partition("\n")[0] for block in blocks] == [
        "demo-1.0-cpu-py311",
        "demo-2.0-1-cpu-py311",
        "demo-0.9-cpu-py310",
    ]
    lines = {" ".join(line.split()) for line in blocks[0].splitlines()}
    assert 'packages images.toml:12 ["demo==1.0"]' in lines
    assert 'args images.toml:14 { A = "x y" }' in lines
    assert "labels default {}" in lines
    assert "lock default -" in lines


def test_registries_are_checked(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(IMAGES.replace("[registry]", '[registry]\nregion = "xx-east-1"'))
    assert cli.run(["config", "show", "demo", "--file", str(file)]) == Exit.USAGE
    assert "images.toml:2: registry.region" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code"),
    [(["show"], Exit.USAGE), (["show", "nothing"], Exit.NOTHING_SELECTED), ([], Exit.USAGE)],
)
def test_what_cannot_be_shown(
    file: Path, words: list[str], code: Exit, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--file", str(file)] if words else []
    assert cli.run(["config", *words, *given]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_the_schema_is_that_of_the_types_and_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert SCHEMA.read_text() == schema.text(), "run `make docs`"
    assert cli.run(["config", "schema"]) == Exit.DONE
    assert capsys.readouterr().out == SCHEMA.read_text()


def test_every_key_is_explained() -> None:
    whole = json.loads(SCHEMA.read_text())
    for name, table in {**whole["$defs"], "the file": whole}.items():
        for key, property_ in table.get("properties", {}).items():
            said = property_["description"]
            assert said, f"{name}.{key}"
            assert "](" not in said, f"{name}.{key}"
            assert not said.endswith("below"), f"{name}.{key}"


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_right_fit_the_schema(name: str) -> None:
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(
        tomli.loads((ROOT / name).read_text())
    )


@pytest.mark.parametrize(
    "line",
    [
        'versions = "1.0"',
        "versions = []",
        'versions = ["1.0"]\npackage = []',
        'versions = ["1.0"]\ndevices = ["tpu"]',
        'versions = ["1.0"]\npythons = ["2.7"]',
        'versions = ["1.0"]\nlock = true',
        'versions = ["1.0"]\nbase = { tpu = "x" }',
        'versions = ["1.0"]\nbase = { prebuilt = {} }',
        'versions = ["1.0"]\nsamples = { chanels = {} }',
        'versions = ["1.0"]\nsamples = { startup-seconds = 5 }',
        'versions = ["1.0"]\nargs = { "a b" = "x" }',
        'versions = ["1.0"]\noverride = [{ network = true }]',
        'base = "x"',
    ],
)
def test_what_the_tool_refuses_does_not_fit_the_schema(line: str, file: Path) -> None:
    text = f"[image.demo]\n{line}\n"
    file.write_text(text)
    assert cli.run(["config", "show", "demo", "--file", str(file)]) == Exit.USAGE
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    assert not validator.is_valid(tomli.loads(text))
