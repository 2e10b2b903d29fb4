"""An image names the package indexes that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.support import tested as once
from tests.e2e.support.package_index import index, options
from tests.e2e.support.real import make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.support.real import Local, Project

NOWHERE = "index-url = file:///nowhere\nretries = 0"
"""pip looks on no other index than those of an image."""


@pytest.fixture
def own_index(local: Local, project: Project, tmp_path: Path) -> Iterator[str]:
    """The host of two indexes, `own` and `mirror`, of one package each, which no other has."""
    for name in ("own", "mirror"):
        make_wheel(tmp_path / "index" / name / f"{project.name}{name}", f"{project.name}{name}")
    with index(local, tmp_path / "index") as host:
        yield host


def test_an_image_is_built_from_its_own_indexes_and_a_mirror_leaves_no_trace(
    local: Local, project: Project, own_index: str, tmp_path: Path
) -> None:
    own, known = f"https://{own_index}/own/", "https://packages.invalid/whl/cpu"
    wanted = f'packages = ["NAMEown", "NAMEmirror"]\nindexes = ["{own}", "{known}"]'
    rule = f'[substitutes]\n"{known}" = "https://{own_index}/mirror/"\n'
    project.write(once.ONE.replace('"1.0"]', f'"1.0"]\n{wanted}') + rule)
    done = local.buildkit(
        "build", "--all", *options(local, tmp_path, NOWHERE), folder=project.folder
    )
    assert done.code == 0, done.stderr
    image = f"{project.name}:1.0-cpu-py311"
    program = f"import {project.name}own as a, {project.name}mirror as b; print(a.NAME, b.NAME)"
    ran = local.docker("run", "--rm", image, "python", "-c", program)
    assert ran == f"{project.name}own {project.name}mirror"
    history = local.docker("history", "--no-trunc", image)
    assert own in history
    assert known in history
    assert f"{own_index}/mirror" not in history


def test_a_package_that_no_index_has(
    local: Local, project: Project, own_index: str, tmp_path: Path
) -> None:
    wanted = f'packages = ["NAMEother==7"]\nindexes = ["https://{own_index}/own/"]'
    project.write(once.ONE.replace('"1.0"]', f'"1.0"]\n{wanted}'))
    done = local.buildkit(
        "build", "--all", *options(local, tmp_path, NOWHERE), folder=project.folder
    )
    assert done.code == 5
    assert f"pip found no `{project.name}other==7` for Python 3.11 and linux/amd64" in done.stderr
    assert f"https://{own_index}/own/" in done.stderr
    assert "`indexes` of the image" in done.stderr
