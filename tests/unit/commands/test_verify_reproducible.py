"""What `verify-reproducible` prints of each target, and its exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from buildkit import cli
from buildkit.reproduce import twice
from buildkit.reproduce.contents import Comparison, Difference, Layer
from buildkit.support.errors import Exit, ToolError
from tests.support import fakes, projects

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.model.target import Target
    from buildkit.reproduce.twice import Result

DATES = Difference(name="/x", field="content", a=f"sha256:{'1' * 64}", b=f"sha256:{'2' * 64}")
CREATED = Difference(name="created", field="value", a="2026", b="2027")
OTHER = Comparison(
    layers=(
        Layer(
            number=2,
            instruction='RUN /bin/sh -c began="$(date +%s.%N)" && sleep 0.1 && date > /x # buildkit',
            differences=(DATES, *[DATES] * 10),
        ),
    ),
    configuration=(CREATED,),
)
FAILED = ToolError("the build failed", hint="fix the step")


def run(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    results: dict[str, Result],
    *arguments: str,
    comment: str = "",
) -> int:
    (folder / "templates").mkdir()
    template = folder / "templates" / "demo.Dockerfile.j2"
    template.write_text("FROM {{ target.base }}\n" + comment)
    (folder / "images.toml").write_text(
        projects.MINIMAL.replace('"1.0"', ", ".join(f'"{version}"' for version in results))
    )

    def build(_project: object, targets: list[Target], *_: object, **__: object) -> object:
        return {each: results[each.version] for each in targets}

    monkeypatch.setattr(twice, "build", build)
    monkeypatch.chdir(folder)
    return cli.run(["verify-reproducible", "--all", *arguments])


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ({"1": fakes.DIGEST}, Exit.DONE),
        ({"1": fakes.DIGEST, "2": OTHER}, Exit.DRIFT),
        ({"1": OTHER, "2": FAILED}, Exit.TOOL),
    ],
)
def test_the_exit_code_is_of_the_worst_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: dict[str, Result], code: Exit
) -> None:
    assert run(tmp_path, monkeypatch, results) == code


def test_a_page_names_layer_file_and_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, monkeypatch, {"1": fakes.DIGEST, "2": OTHER, "3": FAILED})
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        f"demo-1-cpu-py311  {fakes.DIGEST}",
        "demo-2-cpu-py311  different",
        "  layer 2: RUN date > /x",
        *["    /x  content  sha256:111111111111  sha256:222222222222"] * 10,
        "    and 1 more difference",
        "  configuration",
        "    created  value  2026  2027",
    ]
    assert "demo-2-cpu-py311: two builds made different images" in said.err
    assert "demo-3-cpu-py311: the build failed" in said.err


def test_a_difference_is_no_failure_if_the_template_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results: dict[str, Result] = {"1": fakes.DIGEST, "2": OTHER}
    comment = "{# not reproducible: it has the date #}"
    assert run(tmp_path, monkeypatch, results, "--json", comment=comment) == Exit.DONE
    said = capsys.readouterr()
    one, two = json.loads(said.out)["targets"]
    assert one["status"] == "same"
    assert (two["status"], two["expected"]) == ("different", "it has the date")
    expected = "demo-2-cpu-py311: two builds made different images, as expected: it has the date"
    assert expected in said.err


def test_json_has_all_differences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, monkeypatch, {"1": fakes.DIGEST, "2": OTHER, "3": FAILED}, "--json")
    one, two, three = json.loads(capsys.readouterr().out)["targets"]
    assert one == {"id": "demo-1-cpu-py311", "status": "same", "digest": fakes.DIGEST}
    assert (two["status"], two["expected"]) == ("different", None)
    (layer,) = two["layers"]
    assert len(layer["differences"]) == 11
    assert two["configuration"] == [{"name": "created", "field": "value", "a": "2026", "b": "2027"}]
    assert (three["status"], three["error"]["code"]) == ("failed", 5)
