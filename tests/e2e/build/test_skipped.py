"""What is done already is not done again: by the inputs of an image, on any machine."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.e2e.support import tested as once
from tests.e2e.support.bases import PYTHON, docker_folder, publish
from tests.e2e.support.real import make_project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.real import Local, Project

NOWHERE = "unix:///nowhere/docker.sock"
PUSH = ("build", "--all", "--push")


@pytest.fixture
def there(local: Local, project: Project, tmp_path: Path) -> Local:
    """A machine whose base images are in a registry, with a cache of its own."""
    base = f"{local.registry}/{project.name}-base:3.11"
    publish(local, tmp_path, base)
    config = docker_folder(local, tmp_path / "docker", local.registry, local.login()[1])
    env = {
        "DOCKER_CONFIG": config,
        "BUILDKIT_SUBSTITUTE": f"{PYTHON}={base}",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    return replace(local, env={**local.env, **env})


def planned(there: Local, folder: Path, *options: str) -> list[tuple[str, list[str]]]:
    found = there.buildkit("build", "--all", "--plan", "--json", *options, folder=folder)
    assert found.code == 0, found.stderr
    return [(each["state"], each["reasons"]) for each in found.json["targets"]]


def test_a_published_image_is_found_by_its_inputs_from_anywhere(
    there: Local, project: Project, tmp_path: Path
) -> None:
    host, folder = there.registry, project.folder
    project.write(once.ONE)
    free = [f"never published to {host}", "never built on this machine"]
    assert planned(there, folder, "--push") == [("to do", free)]
    done = there.buildkit(*PUSH, folder=folder)
    assert done.code == 0, done.stderr
    assert planned(there, folder) == [("tested", [])]

    # Another machine without records, cache and engine: the same files at other times.
    elsewhere = make_project(tmp_path / "elsewhere", project.name)
    elsewhere.write(once.ONE)
    shutil.copy(folder / "releases.jsonl", elsewhere.folder)
    os.utime(elsewhere.folder / "program" / "train", (1, 1))
    alone = {"DOCKER_HOST": NOWHERE, "XDG_CACHE_HOME": str(tmp_path / "other cache")}
    lonely = replace(there, env={**there.env, **alone})
    again = lonely.buildkit(*PUSH, "--json", folder=elsewhere.folder)
    assert again.code == 0, again.stderr
    (target,) = again.json["targets"]
    assert (target["status"], target["pushed"]) == ("published", False)
    assert f"{host}/{project.name}@{target['digest']}" in done.stdout
    before = (folder / "releases.jsonl").read_text()
    assert (elsewhere.folder / "releases.jsonl").read_text() == before

    # What is edited is named, and a tag that is taken is refused before any build.
    elsewhere.change("serve", "import json\n", "import json  # as before\n")
    refused = lonely.buildkit(*PUSH, folder=elsewhere.folder)
    assert refused.code == 5
    assert "made from other inputs" in refused.stderr
    assert "\nprogram changed\n" in refused.stderr
    elsewhere.change("serve", "import json  # as before\n", "import json\n")

    # A ledger that people edited, and records that claim what is not so, cause no skip.
    ledger = json.loads(before)
    ledger["images"][0]["origin"]["identity"] = "sha256:" + "0" * 64
    (elsewhere.folder / "releases.jsonl").write_text(json.dumps(ledger) + "\n")
    assert planned(lonely, elsewhere.folder, "--push") == [("published", [])]
    there.delete(project.name, "1.0-cpu-py311")
    assert planned(lonely, elsewhere.folder, "--push")[0][0] == "to do"
    assert planned(there, folder, "--push") == [("tested", [f"never published to {host}"])]

    # The base moves.
    (tmp_path / "again").mkdir()
    publish(there, tmp_path / "again", f"{host}/{project.name}-base:3.11", made="2")
    ((state, (reason,)),) = planned(there, folder)
    assert state == "to do"
    assert reason.startswith(f"`{PYTHON}` moved from sha256:")
