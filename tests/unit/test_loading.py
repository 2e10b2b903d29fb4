"""What a command loads: modules take most of the time of a short one."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.projects import programs

if TYPE_CHECKING:
    from pathlib import Path

IMAGES = f"""
[image.demo]
versions = ["1.0"]
base = "python:3.11-slim-bookworm@sha256:{"0" * 64}"
template = "basic"
context = "program"
"""
REGISTRY = "import buildkit.publish.connect, buildkit.publish.sender, buildkit.recording"
"""The modules of a run that asks registries, and finds everything published."""

FILES = {"jinja2", "packaging", "pydantic", "tomli"}
HTTP = {"requests", "urllib3", "http.client", "ssl", "tenacity"}
AWS = {"boto3", "botocore"}
ENGINE = {"docker", "tarfile", "buildkit.engine.engine", "buildkit.build.bake"}
TESTS = {"buildkit.contract.runner", "buildkit.contract.checks", "websockets"}
SELDOM = {"asyncio", "regex", "semver", "tomlkit"}
WORK = HTTP | AWS | ENGINE | TESTS | SELDOM


@pytest.mark.process
@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        pytest.param("run(['--help'])", WORK | FILES, id="--help"),
        pytest.param(
            "run(['explain', 'SERVE-02'])",
            AWS | {"docker", "jinja2", "pydantic", "requests"},
            id="explain",
        ),
        pytest.param("run(['list'])", WORK, id="list"),
        pytest.param("run(['report', '--json'])", WORK - {"semver"}, id="report"),
        # `regex` is for the metrics of its samples
        pytest.param("run(['init', 'new'])", WORK - {"regex"}, id="init"),
        pytest.param("run(['render', '--check'])", WORK, id="render"),
        pytest.param("run(['spec', 'demo', 'model'])", WORK, id="spec"),
        pytest.param("run(['build', '--help'])", WORK, id="build --help"),
        pytest.param("run(['build', '--all', '--plan'])", WORK, id="build --plan"),
        pytest.param(
            f"run(['build', '--all', '--plan']); {REGISTRY}",
            AWS | ENGINE | TESTS | SELDOM,
            id="build --push",
        ),
    ],
)
def test_a_command_loads_only_what_it_uses(tmp_path: Path, code: str, heavy: set[str]) -> None:
    (tmp_path / "images.toml").write_text(IMAGES)
    programs(tmp_path / "program")
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; from buildkit.cli import run; {code}; print(*sys.modules, file=sys.stderr)",
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stderr
    assert heavy.intersection(said.splitlines()[-1].split()) == set()
