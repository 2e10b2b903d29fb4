"""Packages with hashes: what the lock says is installed, and nothing else can be."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.e2e.support import tested as once
from tests.e2e.support.real import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.real import Local, Project

WRONG = "0" * 64


@pytest.fixture
def network(project: Project, tmp_path: Path) -> tuple[str, ...]:
    """The options that lead to two wheels and to no index. `NAMEone` is asked for, and locked."""
    for name in ("one", "two"):
        make_wheel(tmp_path / "wheels", f"{project.name}{name}")
    (tmp_path / "pip.conf").write_text("[global]\nno-index = true\n")
    ask_for(project, "one")
    lock(project, tmp_path, "one")
    return ("--pip-config", str(tmp_path / "pip.conf"), "--wheels", str(tmp_path / "wheels"))


def ask_for(project: Project, *names: str, lock: str = "{name}-{py}.txt") -> None:
    packages = ", ".join(f'"NAME{name}<2"' for name in names)
    keys = f'packages = [{packages}]\nlock = "locks/{lock}"'
    project.write(once.ONE.replace('"1.0"]', f'"1.0"]\n{keys}'))


def lock(project: Project, there: Path, *names: str, wrong: str = "") -> None:
    lines = []
    for name in names:
        wheel = there / "wheels" / f"{project.name}{name}-1.0-py3-none-any.whl"
        digest = WRONG if name == wrong else hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{project.name}{name}==1.0 \\\n    --hash=sha256:{digest}\n")
    (project.folder / "locks").mkdir(exist_ok=True)
    (project.folder / "locks" / f"{project.name}-py311.txt").write_text("".join(lines))


def pylock(project: Project, digest: str) -> None:
    """Lock `NAMEone` with this digest in a pylock.toml. Its URL is not what pip uses."""
    url = f"https://nowhere.example/{project.name}one-1.0-py3-none-any.whl"
    (project.folder / "locks" / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "a test"\n\n[[packages]]\n'
        f'name = "{project.name}one"\nversion = "1.0"\n'
        f'wheels = [{{ url = "{url}", hashes = {{ sha256 = "{digest}" }} }}]\n'
    )


def test_what_the_lock_says_is_installed_and_the_lock_stays_outside(
    local: Local, project: Project, network: tuple[str, ...]
) -> None:
    done = local.buildkit("build", "--all", *network, folder=project.folder)
    assert done.code == 0, done.stderr
    image = f"{project.name}:1.0-cpu-py311"
    program = f"import {project.name}one as one; print(one.NAME)"
    assert local.docker("run", "--rm", image, "python", "-c", program) == f"{project.name}one"
    assert local.docker("run", "--rm", image, "find", "/run", "-type", "f") == ""


def test_a_wrong_hash_stops_the_build(
    local: Local, project: Project, network: tuple[str, ...], tmp_path: Path
) -> None:
    lock(project, tmp_path, "one", wrong="one")
    done = local.buildkit("build", "--all", *network, folder=project.folder)
    assert done.code == 5
    assert f"{project.id}: the build failed" in done.stderr
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert f"Expected sha256 {WRONG}" in done.stderr


def test_a_pylock_is_what_pip_installs_from(
    local: Local, project: Project, network: tuple[str, ...], tmp_path: Path
) -> None:
    """With a wrong hash, since that shows both: the package that pip looked for, and its hash."""
    ask_for(project, "one", lock="pylock.toml")
    pylock(project, WRONG)
    done = local.buildkit("build", "--all", *network, folder=project.folder)
    assert done.code == 5
    assert f"{project.name}one==1.0" in done.stderr
    assert f"Expected sha256 {WRONG}" in done.stderr


def test_a_lock_that_is_older_than_the_packages_stops_the_build(
    local: Local, project: Project, network: tuple[str, ...]
) -> None:
    """The missing package is within reach, but without a hash."""
    ask_for(project, "one", "two")
    done = local.buildkit("build", "--all", *network, folder=project.folder)
    assert done.code == 5
    assert f"{project.id}: the build failed" in done.stderr
    assert f"{project.name}two" in done.stderr
    assert f"regenerate it: {project.name}-py311.txt" in done.stderr
