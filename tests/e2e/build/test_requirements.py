"""A file of requirements and links of a project, through a real build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.support.real import IMAGES, make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.real import Local, Project

WITH_FILE = IMAGES.replace('"1.0"]', '"1.0"]\nrequirements = "{name}.txt"')


def test_what_a_file_of_requirements_names_is_installed(
    local: Local, project: Project, tmp_path: Path
) -> None:
    make_wheel(tmp_path / "wheels", f"{project.name}one")
    (tmp_path / "pip.conf").write_text("[global]\nno-index = true\n")
    (project.folder / f"{project.name}.txt").write_text(f"# why\n{project.name}one <2  # so\n")
    project.write(WITH_FILE)
    network = ("--pip-config", str(tmp_path / "pip.conf"), "--wheels", str(tmp_path / "wheels"))
    done = local.buildkit("build", "--all", *network, folder=project.folder)
    assert done.code == 0, done.stderr
    program = f"import {project.name}one as one; print(one.NAME)"
    image = f"{project.name}:1.0-cpu-py311"
    assert local.docker("run", "--rm", image, "python", "-c", program) == f"{project.name}one"


def test_a_context_with_a_link_to_a_secret_is_built_only_if_that_is_allowed(
    local: Local, project: Project, tmp_path: Path
) -> None:
    """Docker copies the link, and not what it leads to."""
    (tmp_path / "secret").write_text("hunter2")
    (project.folder / "program" / "link").symlink_to(tmp_path / "secret")
    done = local.buildkit("build", "--all", folder=project.folder)
    assert done.code == 2
    assert f"leads to `{tmp_path}/secret`, outside of the project" in done.stderr
    done = local.buildkit("build", "--all", "--allow-outside", folder=project.folder)
    assert done.code == 0, done.stderr
    image = f"{project.name}:1.0-cpu-py311"
    found = local.docker("run", "--rm", image, "readlink", "/opt/program/link")
    assert found == f"{tmp_path}/secret"
