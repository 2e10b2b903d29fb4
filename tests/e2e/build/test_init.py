"""`buildkit init`, then `buildkit build`: the projects that it writes build and pass at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.support.real import make_project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.real import Local


@pytest.mark.parametrize("kind", ["script", "dockerfile"])
def test_a_new_project_builds_and_passes_at_once(local: Local, tmp_path: Path, kind: str) -> None:
    (tmp_path / "names").mkdir()
    name = make_project(tmp_path / "names").name  # that no other test has
    begun = local.buildkit("init", name, "--kind", kind, folder=tmp_path)
    assert begun.code == 0, begun.stderr
    (line,) = (each for each in begun.stderr.splitlines() if each.strip().startswith("cd "))
    folder = tmp_path / line.split()[1]
    try:
        assert "  buildkit build --all" in begun.stderr.splitlines()
        built = local.buildkit("build", "--all", folder=folder)
        assert built.code == 0, built.stderr
        assert "passed" in built.stderr
        assert "no samples" not in built.stderr  # it trained, and answered as it should
    finally:
        local.forget(name)
