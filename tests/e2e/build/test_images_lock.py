"""images.lock: the base and the packages of the day of the lock, whatever there is since."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from buildkit.config import substitution
from tests.e2e.support import tested as once
from tests.e2e.support.bases import PYTHON, docker_folder, label
from tests.e2e.support.real import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.real import Local, Project


def push_base(local: Local, folder: Path, config: str, name: str, said: str) -> None:
    """A base that only the registry has, with a label by which one knows it again."""
    rules = substitution.parse(local.env.get("BUILDKIT_SUBSTITUTE", "").split())
    python = substitution.substitute(PYTHON, rules) or PYTHON
    file = folder / "Dockerfile"
    file.write_text(f"FROM {python}\nLABEL test.published-as={said}\n")
    quiet = ("build", "--quiet", "--provenance=false", "--tag", name)
    local.docker(*quiet, "--file", str(file), str(folder))
    local.docker("--config", config, "push", "--quiet", name)
    local.docker("image", "rm", name)


def test_a_build_gets_the_base_and_the_packages_of_the_lock(
    local: Local, project: Project, tmp_path: Path
) -> None:
    _, password = local.login()
    config = docker_folder(local, tmp_path / "docker", local.registry, password)
    base = f"{local.registry}/{project.name}-base:3.11"
    push_base(local, tmp_path, config, base, "locked")
    make_wheel(tmp_path / "wheels", f"{project.name}one")
    (tmp_path / "pip.conf").write_text("[global]\nno-index = true\n")
    project.write(once.ONE.replace('"1.0"]', '"1.0"]\npackages = ["NAMEone<2"]'))
    network = (
        *("--substitute", f"{PYTHON}={base}"),
        *("--pip-config", str(tmp_path / "pip.conf"), "--wheels", str(tmp_path / "wheels")),
    )

    def run(*arguments: str) -> str:
        done = local.buildkit(
            *arguments, *network, folder=project.folder, DOCKER_CONFIG=config, PIP_FIND_LINKS=""
        )
        assert done.code == 0, done.stderr
        return done.stdout

    run("lock")
    lock = (project.folder / "images.lock").read_text()
    assert f'    "{project.name}one==1.0",\n' in lock
    push_base(local, tmp_path, config, base, "newer")
    run("build", "--all")
    image = f"{project.name}:1.0-cpu-py311"
    assert label(local, image) == "locked"
    program = f"import {project.name}one as one; print(one.NAME)"
    assert local.docker("run", "--rm", image, "python", "-c", program) == f"{project.name}one"
    assert local.docker("run", "--rm", image, "find", "/run", "-type", "f") == ""
    record = json.loads((project.folder / "dist" / project.id / "built.json").read_text())
    assert f'"{PYTHON}" = "{record["built"]["origin"]["base_digest"]}"' in lock
