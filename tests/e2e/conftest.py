"""The engine that `scripts/with-engine` has brought up, and a registry of the tests' own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.real import Local, Project, exports, make_project, script

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.engine)


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """The engine, and a registry with ECR's login and API whose state ends with the tests."""
    state = str(tmp_path_factory.mktemp("registry"))
    lines = script("registry", "up", "--state", state)
    try:
        yield Local(env=exports(lines))
    finally:
        script("registry", "down", "--state", state)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    return make_project(folder)


@pytest.fixture(autouse=True)
def nothing_is_left(
    local: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """No container, volume or temporary file of the tool may outlive its run."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setitem(local.env, "TMPDIR", str(scratch))
    yield
    assert local.leftovers() == ""
    assert [path.name for path in scratch.iterdir()] == []
    assert "BUILDKIT_REGISTRY" not in os.environ
