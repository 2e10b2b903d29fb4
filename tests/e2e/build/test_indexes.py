"""An image names the package indexes that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.support.package_index import address_for_a_name, index
from tests.e2e.support.parts import private_engine
from tests.e2e.support.real import IMAGES, make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.support.real import Local, Project


@pytest.fixture
def own_index(local: Local, project: Project, tmp_path: Path) -> Iterator[str]:
    """The host of an index that alone has the package that the project asks for."""
    make_wheel(tmp_path / "index" / f"{project.name}own", f"{project.name}own")
    with index(local, tmp_path / "index") as host:
        yield host


def options(local: Local, tmp_path: Path) -> tuple[str, ...]:
    """pip trusts the index, and looks on no other."""
    (tmp_path / "empty").mkdir(exist_ok=True)
    configuration = tmp_path / "pip.conf"
    text = f"[global]\nindex-url = file:///nowhere\nretries = 0\n{address_for_a_name(local)}"
    configuration.write_text(text)
    authority = private_engine(local) / "ca" / "ca.crt"
    return ("--pip-config", str(configuration), "--ca-bundle", str(authority))


def test_an_image_is_built_from_its_own_index(
    local: Local, project: Project, own_index: str, tmp_path: Path
) -> None:
    wanted = 'packages = ["NAMEown"]'
    project.write(IMAGES.replace('"1.0"]', f'"1.0"]\n{wanted}\nindexes = ["https://{own_index}/"]'))
    done = local.buildkit("build", "--all", *options(local, tmp_path), folder=project.folder)
    assert done.code == 0, done.stderr
    image = f"{project.name}:1.0-cpu-py311"
    ran = local.docker("run", "--rm", image, "python", "-c", f"import {project.name}own as p; print(p.NAME)")  # fmt: skip
    assert ran == f"{project.name}own"


def test_a_mirror_of_it_leaves_no_trace(
    local: Local, project: Project, own_index: str, tmp_path: Path
) -> None:
    wanted = 'packages = ["NAMEown"]\nindexes = ["https://packages.invalid/whl/cpu"]'
    rule = f'[substitutes]\n"https://packages.invalid/whl/cpu" = "https://{own_index}/"\n'
    project.write(IMAGES.replace('"1.0"]', f'"1.0"]\n{wanted}') + rule)
    done = local.buildkit("build", "--all", *options(local, tmp_path), folder=project.folder)
    assert done.code == 0, done.stderr
    history = local.docker("history", "--no-trunc", f"{project.name}:1.0-cpu-py311")
    assert "packages.invalid" in history
    assert own_index not in history


def test_a_package_that_no_index_has(
    local: Local, project: Project, own_index: str, tmp_path: Path
) -> None:
    wanted = f'packages = ["NAMEother==7"]\nindexes = ["https://{own_index}/"]'
    project.write(IMAGES.replace('"1.0"]', f'"1.0"]\n{wanted}'))
    done = local.buildkit("build", "--all", *options(local, tmp_path), folder=project.folder)
    assert done.code == 5
    assert f"pip found no `{project.name}other==7` for Python 3.11 and linux/amd64" in done.stderr
    assert f"https://{own_index}/" in done.stderr
    assert "`indexes` of the image" in done.stderr
