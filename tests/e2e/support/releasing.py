"""A repository of images on a GitHub that is here: its workflows run on the real engine and registry."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.support.real import ROOT, TRAINS
from tests.workflows import runner

if TYPE_CHECKING:
    from tests.e2e.support.real import Local, Project
    from tests.workflows.runner import Event, Run, World

TOOL = "makers/buildkit"
OWNER = "people/images"
ROLE = "arn:aws:iam::123456789012:role/release"
TWO = TRAINS.replace("VERSIONS", '"1.0", "2.0"')


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=tester", "-c", "user.email=tester@example.com")
    done = subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def make_tool(folder: Path) -> Path:
    """A repository with this checkout as it is, uncommitted changes too."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name, follow_symlinks=False)
    commit(folder, "The tool")
    return folder


def make_python(folder: Path) -> Path:
    """What `setup-python` brings: an environment of its own, which finds what our tests have installed, pip too."""
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    ours = Path(sys.executable).parents[1] / site.relative_to(folder)
    (site / "ours.pth").write_text(f"{ours}\n")
    return folder


def commit(folder: Path, message: str) -> str:
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
        git(folder, "config", "receive.denyCurrentBranch", "updateInstead")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


@dataclass(kw_only=True)
class Site:
    """A GitHub with the tool and a repository of images. Its runners share the engine's cache."""

    world: World
    project: Project
    local: Local
    tool: Path
    workflow: Path = field(default=Path(".github/workflows/release.yml"))

    @property
    def commit(self) -> str:
        return git(self.project.folder, "rev-parse", "HEAD")

    def event(self, name: str = "workflow_dispatch", **changes: Any) -> Event:
        return runner.Event(**{"name": name, "repository": OWNER, "sha": self.commit, **changes})

    def release(self, event: Event | None = None, **inputs: Any) -> Run:
        """Call the release workflow as another repository does, by a commit of it."""
        caller = self.world.folder / "caller.yml"
        ref = git(self.tool, "rev-parse", "HEAD")
        given = {
            "tool-repository": TOOL,
            "tool-ref": ref,
            "registries": self.local.registry,
            "role": ROLE,
            "shards": "2",
            **inputs,
        }
        given = {key: value for key, value in given.items() if value is not None}
        uses = f"{TOOL}/{self.workflow}@{ref}"
        permissions = {"contents": "write", "id-token": "write"}
        job = {"uses": uses, "with": given, "permissions": permissions}
        caller.write_text(json.dumps({"on": {"push": {}}, "jobs": {"images": job}}))
        return runner.run(self.world, caller, event or self.event())

    def buildkit(self, folder: Path, *arguments: str) -> None:
        """The tool that the workflow has installed, on one machine, without a CI."""
        subprocess.run(
            [self.world.python / "bin" / "buildkit", *arguments],
            cwd=folder, env=self.local.env, check=True, capture_output=True,
        )  # fmt: skip

    def breaking(self, place: runner.Place, when: str) -> Site:
        """The same, where one step of one job is broken."""
        breaks = replace(self.world, breaks=lambda at, now: (at, now) == (place, when))
        return replace(self, world=breaks)

    @property
    def ledger(self) -> list[dict[str, Any]]:
        """As the branch has it."""
        file = self.project.folder / "releases.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def tags(self) -> set[str]:
        """Those of people: what belongs to an image is listed under its digest."""
        found = self.local.tags(self.project.name)
        return {tag for tag in found if not tag.startswith("sha256-")}

    @property
    def digests(self) -> dict[str, str]:
        """What each tag leads to."""
        found = {tag: self.local.manifest(self.project.name, tag) for tag in self.tags}
        return {tag: served[1] for tag, served in found.items() if served}


def without_keys(local: Local) -> dict[str, str]:
    """A runner's environment: what AWS is asked with comes from the role alone."""
    return {
        key: value
        for key, value in local.env.items()
        if key not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "BUILDKIT_REGISTRY")
    }


def build(local: Local, name: str, dockerfile: str, folder: Path) -> None:
    """An image without the tool."""
    folder.mkdir()
    (folder / "Dockerfile").write_text(dockerfile)
    local.docker("build", "--quiet", "--provenance=false", "--tag", name, str(folder))


def make_site(folder: Path, project: Project, local: Local, tool: Path, python: Path) -> Site:
    folder.mkdir()

    def is_installed(step: str) -> bool:
        """All jobs have one Python here; building the same wheel for each takes seconds."""
        return step == "Install buildkit" and (python / "bin" / "buildkit").exists()

    world = runner.World(
        folder=folder,
        repositories={OWNER: project.folder, TOOL: tool},
        environment=without_keys(local),
        python=python,
        skips=is_installed,
    )
    (project.folder / ".gitignore").write_text(".buildkit/\n")
    project.write(TWO)
    commit(project.folder, "Images")
    return Site(world=world, project=project, local=local, tool=tool)
