"""What the release action installs: all of it is known by its hash, and nothing else is asked for."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import pytest
import tomli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support import workflows

ROOT = Path(__file__).parents[3]
ENTRY = re.compile(
    r"^(?P<requirement>[A-Za-z0-9][^\\\n]*?)(?P<hashes>(?: \\\n    --hash=\S+)*)$", re.MULTILINE
)


def entries() -> list[tuple[Requirement, int]]:
    """What the lock names, and how many hashes each has."""
    text = (ROOT / "requirements.lock").read_text()
    return [
        (Requirement(each["requirement"]), each["hashes"].count("--hash=sha256:"))
        for each in ENTRY.finditer(text)
    ]


def locked(name: str) -> list[Requirement]:
    return [
        each for each, _ in entries() if canonicalize_name(each.name) == canonicalize_name(name)
    ]


def wanted() -> list[Requirement]:
    document = tomli.loads((ROOT / "pyproject.toml").read_text())
    project = document["project"]
    found = [
        *project["dependencies"],
        *project["optional-dependencies"]["lock"],
        *document["build-system"]["requires"],
    ]
    return [Requirement(each) for each in found]


def test_every_file_is_known_by_its_hash_and_every_version_is_one() -> None:
    assert entries()
    for each, hashes in entries():
        assert hashes, each
        assert [found.operator for found in each.specifier] == ["=="], each
        assert each.url is None, each


@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_the_lock_has_what_the_project_wants(requirement: Requirement) -> None:
    """After a change of pyproject.toml: `make lock`."""
    found = locked(requirement.name)
    assert found
    for each in found:
        (version,) = each.specifier
        assert requirement.specifier.contains(version.version, prereleases=True), each


def installed(name: str) -> list[str]:
    """What a package needs; of build tools, which are not here, nobody knows."""
    try:
        return requires(name) or []
    except PackageNotFoundError:
        return []


def test_the_lock_has_what_that_needs_in_turn() -> None:
    left, seen = [each.name for each in wanted()], set()
    while left:
        name = canonicalize_name(left.pop())
        if name in seen:
            continue
        seen.add(name)
        assert locked(name), name
        needs = map(Requirement, installed(name))
        left += [
            each.name
            for each in needs
            if each.marker is None or each.marker.evaluate({"extra": ""})
        ]


def test_the_action_installs_nothing_else() -> None:
    steps = workflows.read(ROOT / "action.yml")["runs"]["steps"]
    lines = [line.strip() for step in steps for line in step.get("run", "").splitlines()]
    installs = [line for line in lines if re.search(r"\b(pip|pipx|uvx?|npm|apt-get|curl)\b", line)]
    assert len(installs) == 2
    assert "--require-hashes --only-binary :all:" in installs[0]
    assert installs[0].endswith('--requirement "$GITHUB_ACTION_PATH/requirements.lock"')
    assert "--no-deps --no-build-isolation --no-index" in installs[1]
    assert installs[1].endswith('"$GITHUB_ACTION_PATH"')


def test_no_document_installs_the_tool_without_its_lock() -> None:
    """In a CI job, where credentials are."""
    text = (ROOT / "docs" / "guide" / "ci.md").read_text()
    for line in re.findall(r"pip install.*", text):
        assert "--require-hashes" in line or "--no-deps" in line, line


def jobs() -> list[Any]:
    """Those of all workflows that hold a token which may write, or a role."""
    found = []
    for path in sorted((ROOT / ".github/workflows").glob("*.yml")):
        for name, job in workflows.read(path)["jobs"].items():
            if "write" in (job.get("permissions") or {}).values():
                found.append(pytest.param(job, id=f"{path.stem}: {name}"))
    return found


@pytest.mark.parametrize("job", jobs())
def test_a_job_that_may_write_installs_nothing_but_by_the_action(job: dict[str, Any]) -> None:
    for step in job["steps"]:
        run = step.get("run", "")
        assert not re.search(r"\b(make|pip|pipx|uvx?|npm|apt-get|curl|wget|setup)\b", run), run
