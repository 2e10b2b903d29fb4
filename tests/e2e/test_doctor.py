"""`buildkit doctor` on a real engine, with a real registry and a stand-in for AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.support.real import Local, Project

GOOD = {
    "docker", "docker-config", "engine", "image-store", "engine-memory", "buildx", "buildx-builder",
    "disk", "images-toml", "base", "registry", "aws",
}  # fmt: skip


def test_a_machine_that_builds_and_publishes_has_no_problem(local: Local, project: Project) -> None:
    done = local.buildkit("doctor", "--json", folder=project.folder)
    states: dict[str, set[str]] = {}
    for each in done.json["findings"]:
        states.setdefault(each["name"], set()).add(each["state"])
    assert {name for name, found in states.items() if "ok" in found} >= GOOD, done.stdout
    assert {name for name, found in states.items() if "problem" in found} == set(), done.stdout
    assert done.code == 0


def test_each_error_of_a_machine_without_an_engine_leads_to_its_fix(
    local: Local, project: Project
) -> None:
    nowhere = "unix:///nonexistent"
    failed = local.buildkit("cache", "size", folder=project.folder, DOCKER_HOST=nowhere)
    assert "`buildkit doctor`" in failed.stderr
    done = local.buildkit("doctor", folder=project.folder, DOCKER_HOST=nowhere)
    assert done.code == 5
    assert "✗ problem  engine-absent" in done.stdout
    assert "fix: unset DOCKER_HOST, or start the engine" in done.stdout
