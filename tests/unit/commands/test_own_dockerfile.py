"""What the commands show of an image with a Dockerfile of the user's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from buildkit import cli
from buildkit.support.errors import Exit

if TYPE_CHECKING:
    from pathlib import Path

IMAGES = """
[image.demo]
versions = ["1.0"]
dockerfile = "docker/Dockerfile"
target = "runtime"
args = { PYTHON = "{python}" }
"""
FILE = """\
# not reproducible: it downloads the newest data
ARG PYTHON
FROM python:${PYTHON}-slim AS runtime
FROM runtime AS debug
"""
REASON = "it downloads the newest data"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "Dockerfile").write_text(FILE)
    path = tmp_path / "images.toml"
    path.write_text(IMAGES)
    return path


def test_list_shows_the_file_the_stage_the_base_and_the_reason_of_its_comment(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["list", "--file", str(file)]) == Exit.DONE
    line = " ".join(capsys.readouterr().out.splitlines()[1].split())
    assert line == (
        "demo-1.0-cpu-py311 demo:1.0-cpu-py311 both python:3.11-slim "
        f"docker/Dockerfile, stage runtime; not reproducible: {REASON}"
    )
    assert cli.run(["list", "--file", str(file), "--json"]) == Exit.DONE
    (found,) = json.loads(capsys.readouterr().out)
    shown = {key: found[key] for key in ("template", "dockerfile", "stage", "not_reproducible")}
    assert shown == {
        "template": None,
        "dockerfile": "docker/Dockerfile",
        "stage": "runtime",
        "not_reproducible": REASON,
    }


def test_render_writes_the_file_as_it_is(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["render", "--file", str(file)]) == Exit.DONE
    (path,) = capsys.readouterr().out.split()
    assert path == str(file.parent / "dockerfiles" / "demo-1.0-cpu-py311" / "Dockerfile")
    assert (file.parent / "dockerfiles" / "demo-1.0-cpu-py311" / "Dockerfile").read_text() == FILE
    assert cli.run(["render", "--file", str(file), "--check"]) == Exit.DONE
    (file.parent / "docker" / "Dockerfile").write_text(FILE + "RUN true\n")
    assert cli.run(["render", "--file", str(file), "--check"]) == Exit.TEMPLATE


def test_a_lock_needs_the_base_alone(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file.parent / "images.lock").write_text("format = 1\n")
    assert cli.run(["lock", "--check", "--file", str(file)]) == Exit.TEMPLATE
    said = capsys.readouterr().err
    assert "the image `python:3.11-slim` is not locked" in said
    assert "its packages are not locked" not in said


def test_the_example_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["list", "--file", "examples/dockerfile/images.toml"]) == Exit.DONE
    assert "Dockerfile, stage runtime" in capsys.readouterr().out
