"""The weekly update, run: with git itself, and with a tool that only changes what it should."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from tests.workflows import runner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.workflows.runner import Run

ROOT = Path(__file__).parents[2]
TOOL, OWNER = "makers/buildkit", "people/images"
BRANCH = "buildkit/update"
BUILDKIT = """#!/bin/sh
echo "$*" >>"$CALLS"
case $1 in
outdated) printf '| Package |\\n| --- |\\n| `numpy` |\\n' ;;
lock) [ ! -e "$MOVED" ] || echo "new lock$LOCK" >images.lock ;;
revise) [ ! -e "$MOVED" ] || echo 'new revision' >images.toml ;;
render) mkdir -p dockerfiles/new; echo FROM >dockerfiles/new/Dockerfile ;;
ci-matrix)
  case $* in *markdown*) exit ;; esac
  [ -e "$MOVED" ] || { echo targets=; echo matrix=; exit; }
  echo targets=good bad
  echo 'matrix={"include": [{"shard": 1, "targets": "good"}, {"shard": 2, "targets": "bad"}]}'
  ;;
build)
  echo "1 target: $*" >&2
  case $* in *"-- bad") echo '</details> it broke'; exit 6 ;; esac
  ;;
cache) [ "$2" = load ] || { mkdir -p "$3"; echo "$LOCK" >"$3/wheel"; } ;;
esac
"""
pytestmark = pytest.mark.process


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=tester", "-c", "user.email=tester@example.com")
    done = subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def repository(folder: Path, files: dict[str, str]) -> Path:
    git(folder.parent, "init", "--quiet", "--initial-branch=main", folder.name)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "All")
    return folder


class Site:
    """A repository with a lock and Dockerfiles in a folder, and GitHub around it."""

    def __init__(self, tmp_path: Path, folder: str = ".") -> None:
        self.folder = folder
        at = "" if folder == "." else f"{folder}/"
        workflow = ".github/workflows/update.yml"
        names = ("action.yml", workflow)
        self.tool = repository(tmp_path / "tool", {n: (ROOT / n).read_text() for n in names})
        self.images = repository(
            tmp_path / "images",
            {
                f"{at}images.toml": "old",
                f"{at}images.lock": "old",
                f"{at}dockerfiles/old/Dockerfile": "FROM",
            },
        )
        (tmp_path / "python/bin").mkdir(parents=True)
        (tmp_path / "python/bin/buildkit").write_text(BUILDKIT)
        (tmp_path / "python/bin/buildkit").chmod(0o755)
        self.moved, self.calls = tmp_path / "moved", tmp_path / "calls"
        self.moved.touch()
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
        self.world = runner.World(
            folder=tmp_path / "runs",
            repositories={OWNER: self.images, TOOL: self.tool},
            environment={**environment, "MOVED": str(self.moved), "CALLS": str(self.calls)},
            python=tmp_path / "python",
            skips=lambda step: step == "Install buildkit",
        )
        self.world.folder.mkdir()

    def update(self, inputs: Mapping[str, str] = MappingProxyType({}), **environment: str) -> Run:
        """Call the workflow as another repository does, weekly."""
        world = replace(self.world, environment={**self.world.environment, **environment})
        ref = git(self.tool, "rev-parse", "HEAD")
        given = {"tool-repository": TOOL, "tool-ref": ref, "folder": self.folder, **inputs}
        job = {
            "uses": f"{TOOL}/.github/workflows/update.yml@{ref}",
            "with": given,
            "permissions": {
                "contents": "write",
                "id-token": "write",
                "pull-requests": "write",
            },
        }
        caller = self.world.folder / "caller.yml"
        caller.write_text(json.dumps({"on": {"schedule": []}, "jobs": {"update": job}}))
        sha = git(self.images, "rev-parse", "main")
        return runner.run(world, caller, runner.Event(name="schedule", repository=OWNER, sha=sha))

    @property
    def caches(self) -> list[Path]:
        """What GitHub keeps for later runs, the oldest first."""
        found = (self.world.folder / "caches").glob("*")
        return sorted(found, key=lambda path: path.stat().st_mtime)

    @property
    def asked(self) -> str:
        """What GitHub's command line was asked in the newest run."""
        logs = sorted(self.world.folder.glob("artifacts-*/gh.log"), key=lambda e: e.stat().st_mtime)
        return logs[-1].read_text() if logs else ""


def test_one_pull_request_has_the_lock_the_revisions_and_the_result(tmp_path: Path) -> None:
    site = Site(tmp_path)
    before = git(site.images, "rev-parse", "main")
    done = site.update()
    assert done.results == {
        "update/plan": "success",
        "update/build": "failure",
        "update/propose": "success",
        "update": "failure",
    }, done.log
    assert git(site.images, "rev-parse", "main") == before
    assert git(site.images, "rev-parse", f"{BRANCH}^") == before
    assert git(site.images, "diff", "--name-status", "main", BRANCH, "--no-renames").split() == [
        *("A", "dockerfiles/new/Dockerfile"),
        *("D", "dockerfiles/old/Dockerfile"),
        *("M", "images.lock"),
        *("M", "images.toml"),
    ]
    assert git(site.images, "show", f"{BRANCH}:images.lock") == "new lock"
    created = site.asked.partition("pr create ")[2]
    assert created.startswith(f"--head={BRANCH} --base=main --title=Update base images")
    assert "Build and test: **failure**." in created
    assert "| `numpy` |" in created
    assert "<summary>Shard 1: exit code 0</summary>" in created
    assert "<summary>Shard 2: exit code 6</summary>" in created
    assert "    </details> it broke" in created.splitlines()  # as code
    calls = site.calls.read_text().splitlines()
    sha = git(site.images, "rev-parse", "main")
    assert calls[:4] == [
        "outdated --markdown --",
        "lock --upgrade --",
        "revise --changed --all",
        f"ci-matrix --since={sha} --format github --all",
    ]
    assert "build --dist=shards/1 -- good" in calls  # and nothing is sent


def test_the_next_update_replaces_the_content_of_the_open_pull_request(tmp_path: Path) -> None:
    site = Site(tmp_path, "some/images")
    head = f"{BRANCH}-some-images"
    site.update()
    first = git(site.images, "rev-parse", head)
    git(site.images, "commit", "--quiet", "--allow-empty", "--message", "More")
    done = site.update(OPEN="7")
    assert done.results["update/propose"] == "success", done.log
    assert git(site.images, "rev-parse", f"{head}^") == git(site.images, "rev-parse", "main")
    assert git(site.images, "rev-parse", head) != first
    assert "pr edit --title=Update base images and packages in some/images" in site.asked
    assert "pr create" not in site.asked


def test_without_a_change_nothing_is_built_and_proposed(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.moved.unlink()
    done = site.update()
    assert done.results == {
        "update/plan": "success",
        "update/build": "skipped",
        "update/propose": "skipped",
        "update": "success",
    }, done.log
    assert site.asked.splitlines() == ["auth setup-git"]  # to read the ledger
    assert "| `numpy` |" in done.summary


def test_packages_go_from_each_good_shard_to_the_next_run(tmp_path: Path) -> None:
    site = Site(tmp_path)

    def cached(lock: str) -> list[str]:
        """What the shards did with packages in an update to a lock."""
        site.calls.write_text("")
        site.update(LOCK=lock)
        calls = site.calls.read_text().splitlines()
        return [
            " ".join((*words[1:2], *words[3:]))
            for each in calls
            if (words := each.split())[0] == "cache"
        ]

    assert cached("1") == ["save -- good", "load -- bad"]  # they run one after the other here
    assert cached("1") == ["load -- good", "load -- bad"]
    assert cached("2") == ["load -- good", "save -- good", "load -- bad"]
    kept = {path.name[:-64]: (path / "wheel").read_text() for path in site.caches}
    assert kept == {"buildkit-packages-.-1-": "2\n"}
    assert len(site.caches) == 2


@pytest.mark.parametrize("why", ["no lock", "turned off"])
def test_no_packages_are_carried_without_a_lock_or_a_wish(tmp_path: Path, why: str) -> None:
    site = Site(tmp_path)
    if why == "no lock":
        git(site.images, "rm", "--quiet", "images.lock")
        git(site.images, "commit", "--quiet", "--message", "No lock")
    site.update({} if why == "no lock" else {"keep-packages": "false"})
    assert " -- good" in site.calls.read_text()
    assert "cache " not in site.calls.read_text()
    assert site.caches == []
