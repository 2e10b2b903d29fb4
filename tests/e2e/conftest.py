"""The engine that `scripts/dev/with-engine` has brought up, and a registry of the tests' own."""

from __future__ import annotations

import compileall
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.support import tested as once
from tests.e2e.support.parts import Engine, another_engine, processes_with
from tests.e2e.support.real import ROOT, Local, Project, exports, make_project, script
from tests.e2e.support.schedule import place

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if item.path.is_relative_to(HERE)]
    for item in ours:
        item.add_marker(pytest.mark.engine)
    others = [item for item in items if not item.path.is_relative_to(HERE)]
    items[:] = others + sorted(ours, key=lambda item: place(item.path))


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """The engine, and a registry with ECR's login and API whose state ends with the tests."""
    # Hundreds of runs begin with the bytecode, also where Python is told to write none.
    compileall.compile_dir(ROOT / "buildkit", quiet=1)
    state = str(tmp_path_factory.mktemp("registry"))
    lines = script("registry", "up", "--state", state)
    try:
        yield Local(env=exports(lines))
    finally:
        script("registry", "down", "--state", state)


@pytest.fixture(scope="session")
def classic_engine(local: Local) -> Iterator[tuple[Engine, Local]]:
    with another_engine(local, "classic") as made:
        yield made


@pytest.fixture
def classic(classic_engine: tuple[Engine, Local], scratch: Path) -> Iterator[tuple[Engine, Local]]:
    """An engine with the classic image store. A test may stop it, and has to start it again."""
    engine, there = classic_engine
    there = replace(there, env={**there.env, "TMPDIR": str(scratch)})
    before = there.leftovers()
    yield engine, there
    assert there.stay_behind(before) == set()


@pytest.fixture
def project(local: Local, tmp_path: Path) -> Iterator[Project]:
    folder = tmp_path / "project"
    folder.mkdir()
    made = make_project(folder)
    yield made
    local.forget(made.name)


@pytest.fixture(scope="session")
def tested_once(local: Local, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two images that are built and tested, shared by all processes of the run."""
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    return once.make(local, folder / "tested")


@pytest.fixture
def tested(local: Local, tested_once: Project, tmp_path: Path) -> Iterator[Project]:
    """A copy of them to publish."""
    made = once.copy(tested_once, tmp_path / "tested")
    yield made
    local.forget(made.repository)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """The folder for temporary files of the tool, and of what it starts."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def nothing_is_left(local: Local, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No container, volume, temporary file or process of the tool may outlive its run."""
    monkeypatch.setitem(local.env, "TMPDIR", str(scratch))
    before = local.leftovers()
    yield
    assert local.stay_behind(before) == set()
    assert [path.name for path in scratch.iterdir()] == []
    assert processes_with(str(scratch)) == []
