"""The commands of a release, on one machine and then on another that has nothing of the first."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.e2e.support.bases import PYTHON, docker_folder, publish
from tests.e2e.support.parts import another_engine
from tests.e2e.support.real import make_project
from tests.e2e.support.releasing import TWO

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.real import Local, Project


def machine(there: Local, folder: Path, base: str) -> Local:
    """A machine whose engine pulls the base, and that has no cache of the tool."""
    folder.mkdir()
    env = {
        "DOCKER_CONFIG": docker_folder(there, folder / "docker", there.registry, there.login()[1]),
        "BUILDKIT_SUBSTITUTE": f"{PYTHON}={base}",
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    return replace(there, env={**there.env, **env})


def released(there: Local, project: Project) -> dict[str, tuple[str, bool]]:
    """The digest of each target, and whether it was pushed, after the jobs of a release."""

    def run(*arguments: str) -> Any:
        done = there.buildkit(*arguments, "--json", folder=project.folder)
        assert done.code == 0, done.stderr
        return done.json

    for number in ("1", "2"):
        run("build", f"{project.name}-{number}.0-*", "--stage", "--dist", f"shards/{number}")
    run("merge", "--all", "--from", "shards")
    document = run("push", "--all", "--complete")
    return {each["id"]: (each["digest"], each["pushed"]) for each in document["targets"]}


def served(there: Local, repository: str) -> dict[str, Any]:
    """Each tag of people with its manifest. Under others, records and reports are beside an image."""
    tags = (tag for tag in there.tags(repository) if not tag.startswith("sha256-"))
    return {tag: there.manifest(repository, tag) for tag in tags}


def test_a_release_again_on_a_fresh_machine_makes_the_same_images_and_publishes_nothing(
    local: Local, project: Project, tmp_path: Path
) -> None:
    """The second machine has no records, and no ledger: the first may not have committed it."""
    project.write(TWO)
    base = f"{local.registry}/{project.name}-base:3.11"  # of which no step is in a cache
    publish(local, tmp_path, base)
    first = released(machine(local, tmp_path / "one", base), project)
    assert [pushed for _, pushed in first.values()] == [True, True]
    before = served(local, project.name)
    assert before.keys() == {"1.0-cpu-py311", "2.0-cpu-py311", "latest-cpu-py311"}

    (tmp_path / "elsewhere").mkdir()
    again = make_project(tmp_path / "elsewhere", project.name)
    again.write(TWO)
    os.utime(again.folder / "program" / "train", (1, 1))
    with another_engine(local, "containerd") as (_, empty):
        there = machine(empty, tmp_path / "two", base)
        second = released(there, again)
        assert second == {id_: (digest, False) for id_, (digest, _) in first.items()}
        assert served(local, project.name) == before
        plan = ("ci-matrix", "--all", "--unreleased", "--format", "markdown")
        planned = there.buildkit(*plan, folder=again.folder)
        assert "Nothing to build" in planned.stdout, planned.stderr  # the ledger is made up for
