"""A file of requirements and links of a project, through a real build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.support import tested as once
from tests.e2e.support.real import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.real import Local, Project

WITH_FILE = once.ONE.replace('"1.0"]', '"1.0"]\nrequirements = "{name}.txt"')


def test_a_file_of_requirements_and_a_link_that_leads_outside(
    local: Local, project: Project, tmp_path: Path
) -> None:
    """What the file names is installed. Docker copies the link, if it is allowed, and not what it leads to."""
    make_wheel(tmp_path / "wheels", f"{project.name}one")
    (tmp_path / "pip.conf").write_text("[global]\nno-index = true\n")
    (project.folder / f"{project.name}.txt").write_text(f"# why\n{project.name}one <2  # so\n")
    project.write(WITH_FILE)
    (tmp_path / "secret").write_text("hunter2")
    (project.folder / "program" / "link").symlink_to(tmp_path / "secret")
    network = ("--pip-config", str(tmp_path / "pip.conf"), "--wheels", str(tmp_path / "wheels"))
    done = local.buildkit("build", "--all", *network, folder=project.folder)
    assert done.code == 2
    assert f"leads to `{tmp_path}/secret`, outside of the project" in done.stderr
    done = local.buildkit("build", "--all", "--allow-outside", *network, folder=project.folder)
    assert done.code == 0, done.stderr
    image = f"{project.name}:1.0-cpu-py311"
    program = (
        f"import os, {project.name}one as one; print(one.NAME, os.readlink('/opt/program/link'))"
    )
    found = local.docker("run", "--rm", image, "python", "-c", program)
    assert found == f"{project.name}one {tmp_path}/secret"
