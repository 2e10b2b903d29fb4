"""One report has every problem of images.toml, and none that only follows from another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkit.config import images_toml
from buildkit.matrix import matrix
from buildkit.support.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = '[image.demo]\nversions = ["7.1"]\nbase = "python:3.11-slim"\n'


def report(text: str, tmp_path: Path) -> list[str]:
    config = images_toml.parse(text, tmp_path / "images.toml")
    try:
        matrix.expand(config)
    except ConfigError as error:
        return error.details.splitlines()
    return []


@pytest.mark.parametrize(
    ("text", "places"),
    [
        pytest.param(
            IMAGE + 'labels = { a = "https://u:x@h/", b = "https://v:y@h/" }',
            ["labels.a", "labels.b"],
            id="the same problem in two labels of one line",
        ),
        pytest.param(
            IMAGE + 'args = { a = "https://u:x@h/", b = "https://v:y@h/" }',
            ["args.a", "args.b"],
            id="the same problem in two arguments of one line",
        ),
        pytest.param(
            IMAGE + 'labels = { a = 5, b = "https://v:y@h/" }',
            ["labels.a", "labels.b"],
            id="a wrong type beside a secret",
        ),
        pytest.param(
            IMAGE + 'override = [{ when = { version = "3.*" } }, { when = {}, network = "yes" }]',
            ["override.1.network", "override.0.when"],
            id="a wrong type in one override, a rule without cells in another",
        ),
        pytest.param(
            IMAGE + 'override = [{ when = { version = "3.*" }, network = "yes" }]',
            ["override.0.network", "override.0.when"],
            id="both in one override",
        ),
        pytest.param(
            IMAGE + 'packages = ["a\\u0007", "-r x.txt", "./local", "b=1", "a==1,==2"]',
            ["packages", "packages", "packages.0", "packages", "packages"],
            id="a control character beside other packages",
        ),
        pytest.param(
            IMAGE + 'packages = [5, "-r x.txt"]',
            ["packages", "packages.0"],
            id="a number beside another package",
        ),
        pytest.param(
            IMAGE + 'devices = ["gpx"]\nexclude = [{ version = "9" }]',
            ["devices.0", "exclude.0"],
            id="a wrong device beside a rule about versions",
        ),
    ],
)
def test_no_problem_hides_another(text: str, places: list[str], tmp_path: Path) -> None:
    found = [line.split(": ")[1].removeprefix("image.demo.") for line in report(text, tmp_path)]
    assert sorted(found) == sorted(places)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param(
            IMAGE + 'include = [{ version = "7.1", device = "cpu", python = "3.11" }]\n'
            'packages = ["./x"]',
            ["include.0: this cell already exists", "packages: './x' is not a Python requirement"],
            id="a cell that exists already is not another target",
        ),
        pytest.param(
            '[default]\nbase = "a:1"\n[image.demo]\nversions = ["1"]\npackages = ["-r x"]',
            ["default: unknown key", "packages: '-r x' is a pip option"],
            id="a misspelt table has the base, but no packages",
        ),
        pytest.param(
            '[defaults]\nbase = 5\n[image.demo]\nversions = ["1"]',
            ["defaults.base: expected an image"],
            id="a wrong base in the defaults",
        ),
        pytest.param(
            '[image.demo]\nversions = ["1"]\noverride = [{ when = { version = "1" }, base = 5 }]',
            ["override.0.base: expected an image"],
            id="a wrong base in an override",
        ),
        pytest.param(
            IMAGE + 'devices = ["gpx"]\noverride = [{ when = { device = "gpu" }, network = true }]',
            ["devices.0: `gpx`"],
            id="a rule about a device that is misspelt",
        ),
        pytest.param(
            IMAGE + 'pythons = [3.12]\nexclude = [{ python = "3.12" }]',
            ["pythons.0: expected a string"],
            id="a rule about a Python that is no text",
        ),
        pytest.param(
            IMAGE + "exclude = [{ version = 5 }]",
            ["exclude.0.version: expected a string"],
            id="a rule without its version does not exclude everything",
        ),
        pytest.param(
            '[registry]\nregion = "europe"\n[image.demo]\nversions = ["2.5.1"]\n'
            'base = { prebuilt = { framework = "pytorch" } }',
            ["registry.region: 'europe' is not a region"],
            id="a wrong region is not a missing one",
        ),
        pytest.param(
            IMAGE + 'purposes = ["trainin"]\nfeatures = ["bogus"]',
            ["purposes.0: `trainin`", "features.0: `bogus`"],
            id="a feature of another purpose",
        ),
        pytest.param(
            IMAGE + 'tag = 5\n[image.other]\nversions = ["7.1"]\nbase = "a:1"\nrepository = "demo"',
            ["tag: expected a string"],
            id="a wrong tag does not make two targets alike",
        ),
        pytest.param(
            IMAGE + 'packages = ["./x", "./x"]',
            ["packages: './x' is not a Python requirement"],
            id="a package that is written twice",
        ),
        pytest.param(
            IMAGE + 'samples = { objective = "a", metrics = { a = 5 } }',
            ["samples.metrics.a: expected a string"],
            id="an objective whose metric is wrong",
        ),
        pytest.param(
            IMAGE + 'samples = { objective = "a", metrics = 5 }',
            ["samples.metrics: expected a table"],
            id="an objective without metrics",
        ),
        pytest.param(
            IMAGE + 'samples = { use = "iris", objective = "a" }\n'
            '[samples.iris]\npayload = [{ body = "x" }]\nmetrics = { a = "(.)" }',
            ["samples.iris.payload.0.content-type: required key", "samples.iris.payload.0.body"],
            id="an objective of named samples that are wrong",
        ),
    ],
)
def test_what_follows_from_a_problem_is_none(text: str, wanted: list[str], tmp_path: Path) -> None:
    found = [line.split(": ", 1)[1].removeprefix("image.demo.") for line in report(text, tmp_path)]
    assert len(found) == len(wanted)
    assert all(any(line.startswith(each) for line in found) for each in wanted)
    assert "more target" not in "".join(found)


def test_other_targets_with_a_problem_are_counted_once_each(tmp_path: Path) -> None:
    text = IMAGE.replace('"7.1"', '"7.1", "7.2", "7.3"')
    (line,) = report(text + 'packages = ["./x"]', tmp_path)
    assert line.endswith("(and 2 more targets)")
    (line,) = report(IMAGE + 'aliases = ["sha256-{major}", "sha256-{minor}"]', tmp_path)[:1]
    assert "more target" not in line
