"""The kinds of projects: each is read, expanded and rendered, and all of its files are shipped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tomli

from buildkit import project
from buildkit.scaffold import draft, shipped, write
from buildkit.scaffold.kinds import IMAGES, KINDS
from buildkit.system import files
from tests.support.sources import ROOT

if TYPE_CHECKING:
    from buildkit.project import Project

PAGE = ROOT / "docs/guide/ci.md"
TARGETS = {
    "algorithm": ["acme-1.0-cpu-py311"],
    "script": ["acme-1.0-cpu-py311"],
    "extend": ["acme-2.5.1-1-cpu-py311"],
    "r": ["acme-1.0-cpu-py311"],
    "dockerfile": ["acme-1.0-cpu-py311"],
    "matrix": [
        *(f"acme-{version}-cpu-{py}" for version in ("1.6.1", "1.7.2") for py in ("py311", "py313")),
        *(f"acme-xgboost-3.2.0-cpu-{py}" for py in ("py311", "py313")),
    ],
    "studio": ["acme-1.0-cpu-py313"],
}  # fmt: skip


def written(folder: Path, kind: str, name: str = "acme") -> Project:
    plan = write.plan(draft.of_kind(kind, name, None), folder)
    files.create(plan.new, plan.more)
    return project.read(folder / IMAGES, None, renders=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_of_each_kind_has_no_problems_and_renders(kind: str, tmp_path: Path) -> None:
    found = written(tmp_path, kind)
    assert [each.id for each in found.targets] == TARGETS[kind]
    for target in found.targets:
        assert found.templates.rendered(target).dockerfile.startswith(("#", "ARG", "FROM"))
        assert target.samples.declared or kind == "studio"
        assert target.samples.payloads or not target.purpose.serves


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_has_what_git_and_a_build_leave_out(kind: str, tmp_path: Path) -> None:
    found = written(tmp_path, kind)
    assert (tmp_path / ".gitignore").read_text().split() == ["dist/"]
    context = Path(found.targets[0].context or tmp_path)
    lines = (context / ".dockerignore").read_text().split()
    assert {"dist", "releases.jsonl", ".git", ".venv"} <= {*lines}


@pytest.mark.parametrize("kind", KINDS)
def test_the_name_is_everywhere_and_comments_stay_in_their_column(
    kind: str, tmp_path: Path
) -> None:
    written(tmp_path, kind, "a-rather-long-name-of-an-image")
    text = (tmp_path / IMAGES).read_text()
    assert draft.NAME not in text
    assert "[image.a-rather-long-name-of-an-image]" in text
    assert len(text.splitlines()) < 35  # short
    assert text.count("#") > 3  # commented


def test_programs_can_be_executed(tmp_path: Path) -> None:
    written(tmp_path, "algorithm")
    assert (tmp_path / "program/train").stat().st_mode & 0o111 == 0o111
    assert (tmp_path / "samples/payload.csv").stat().st_mode & 0o111 == 0


def test_aws_s_image_comes_from_the_region_of_the_environment(tmp_path: Path) -> None:
    made = draft.of_kind("extend", "acme", "eu-south-1")
    assert b'region = "eu-south-1"' in made.files[IMAGES]


def test_the_wheel_has_every_file_that_a_project_is_made_of() -> None:
    document = tomli.loads((ROOT / "pyproject.toml").read_text())
    included = document["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included["examples/init"] == "buildkit/_examples/init"
    for kind in KINDS.values():
        for source in kind.parts.values():
            top = source.partition("/")[0]
            assert included[f"examples/{top}"] == f"buildkit/_examples/{top}"
            assert (ROOT / "examples" / source).is_file()


def test_the_workflow_is_the_one_of_the_manual() -> None:
    block = PAGE.read_text().partition("## GitHub: call the workflow\n\n```yaml\n")[2]
    assert block.partition("```\n")[0] == shipped.text("init/workflow/images.yml")


def test_the_workflow_names_the_folder_and_the_tool_if_they_are_known() -> None:
    made = draft.with_workflow(
        draft.of_kind("script", "acme", None), "../w.yml", "models/acme", ("people/tool", "abc123")
    )
    text = made.files["../w.yml"].decode()
    assert "uses: people/tool/.github/workflows/release.yml@abc123\n" in text
    assert "tool-repository: people/tool\n      tool-ref: abc123\n" in text
    assert text.endswith('amazonaws.com\n      folder: "models/acme"\n')
    assert IMAGES in made.files


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("churn", "churn"),
        ("My Model_2", "my-model-2"),
        ("../..", draft.NAME),
        ("x", draft.NAME),
        ("a" * 101, draft.NAME),
        ("my.com", "my-com"),
    ],
)
def test_the_name_of_a_folder_becomes_that_of_the_image(folder: str, name: str) -> None:
    assert draft.name_of(folder) == name


@pytest.mark.parametrize("name", ["Ab", "a", "a b", "-a", "a" * 101, "a/b", ""])
def test_a_name_that_no_image_can_have_has_a_reason(name: str) -> None:
    assert (draft.problem_of(name) or "").startswith("use ")
