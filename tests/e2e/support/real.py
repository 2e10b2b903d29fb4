"""Real parts for end-to-end tests: the command line as a process, small projects, a registry."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import uuid
import zipfile
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import docker
import docker.errors
import requests

from buildkit.engine import engine
from buildkit.system.processes import is_gone
from tests.e2e.support import forked
from tests.e2e.support.running import Result, Running
from tests.support.waiting import HANG, RUN_HANGS

ROOT = Path(__file__).parents[3]
SCRIPTS = ROOT / "scripts" / "dev"
BUILDKIT = Path(sys.executable).with_name("buildkit")
EVERY_TYPE = ", ".join(
    f"application/vnd.{kind}"
    for kind in (
        "docker.distribution.manifest.v2+json",
        "docker.distribution.manifest.list.v2+json",
        "oci.image.manifest.v1+json",
        "oci.image.index.v1+json",
    )
)


def exports(text: str) -> dict[str, str]:
    """What a script's `export` lines come to in a shell."""
    script = f"{text}\nexec {shlex.quote(sys.executable)} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    done = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def script(*argv: str, env: dict[str, str] | None = None, seconds: float = RUN_HANGS) -> str:
    """Run one of scripts/dev; its stdout. What it says is shown when it fails."""
    done = subprocess.run(
        [str(SCRIPTS / argv[0]), *argv[1:]],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def _login(endpoint: str) -> tuple[str, str]:
    client = boto3.client(
        "ecr",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    token = client.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    return user, password


@dataclass(frozen=True, kw_only=True)
class Local:
    """An engine, and perhaps a registry, as the environment that leads to them."""

    env: dict[str, str] = field(repr=False)

    @property
    def registry(self) -> str:
        return self.env["BUILDKIT_REGISTRY"]

    def buildkit(
        self, *arguments: str, folder: Path, seconds: float = RUN_HANGS, **env: str
    ) -> Result:
        """Run the command line in a project's folder, as a person or CI does."""
        if not any(name.startswith("PYTHON") for name in env):
            return forked.run(arguments, folder, {**self.env, **env}, seconds)
        done = subprocess.run(
            [str(BUILDKIT), *arguments],
            cwd=folder,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        return Result(code=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def start(self, *arguments: str, folder: Path, **env: str) -> Running:
        """Begin a run that the test will interfere with."""
        return Running([str(BUILDKIT), *arguments], folder, {**self.env, **env})

    def docker(self, *arguments: str) -> str:
        done = subprocess.run(
            ["docker", *arguments], env=self.env, capture_output=True, text=True, timeout=HANG
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def login(self) -> tuple[str, str]:
        """User and password, from the ECR API that stands behind the registry."""
        return _login(self.env["AWS_ENDPOINT_URL"])

    def manifest(self, repository: str, reference: str) -> tuple[str, str, dict[str, Any]] | None:
        """Type, digest and document of what the registry serves, read without the tool."""
        answer = requests.get(
            f"http://{self.registry}/v2/{repository}/manifests/{reference}",
            headers={"Accept": EVERY_TYPE},
            auth=self.login(),
            timeout=HANG,
        )
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        digest = "sha256:" + hashlib.sha256(answer.content).hexdigest()
        return answer.headers["Content-Type"], digest, answer.json()

    def delete(self, repository: str, reference: str) -> None:
        """Remove an image from the registry, and leave its layers there."""
        found = self.manifest(repository, reference)
        assert found is not None
        url = f"http://{self.registry}/v2/{repository}/manifests/{found[1]}"
        requests.delete(url, auth=self.login(), timeout=HANG).raise_for_status()

    def tags(self, repository: str) -> set[str]:
        """All tags of a repository, read without the tool."""
        answer = requests.get(
            f"http://{self.registry}/v2/{repository}/tags/list", auth=self.login(), timeout=HANG
        )
        if answer.status_code == 404:
            return set()
        answer.raise_for_status()
        return set(answer.json()["tags"] or ())

    def pull(self, uri: str, folder: Path) -> str:
        """Pull with ECR's own login, which is kept in a folder."""
        secret = base64.b64encode(":".join(self.login()).encode()).decode()
        login = {"auths": {uri.partition("/")[0]: {"auth": secret}}}
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(login))
        return self.docker("--config", str(folder), "pull", "--quiet", uri)

    def things(self) -> set[str]:
        """Containers, volumes and networks of any run of the tool: whose they are, and their ids."""
        host = self.env.get("DOCKER_HOST") or engine.endpoint()[0]
        ours = {"label": "buildkit.owner"}
        with closing(docker.APIClient(base_url=host, timeout=HANG)) as api:
            containers = api.containers(all=True, filters=ours)
            volumes = api.volumes(filters=ours)["Volumes"] or []
            networks = api.networks(filters=ours)
        found = [(each, each["Id"]) for each in (*containers, *networks)]
        found += [(each, each["Name"]) for each in volumes]
        return {f"{each['Labels']['buildkit.owner']} {name}" for each, name in found}

    def forget(self, *names: str) -> None:
        """Remove all images of repositories whose names begin so. The more images an engine has,
        the longer it takes to remove one."""
        host = self.env.get("DOCKER_HOST") or engine.endpoint()[0]
        patterns = [f"{place}{name}*" for name in names for place in ("", "*/")]
        with closing(docker.APIClient(base_url=host, timeout=HANG)) as api:
            found = api.images(filters={"reference": patterns})
            for tag in {tag for each in found for tag in each["RepoTags"] or ()}:
                with suppress(docker.errors.NotFound):  # another run was quicker
                    api.remove_image(tag, force=True)

    def leftovers(self) -> set[str]:
        """Those of runs that have ended. Others may be at work here."""
        return {thing for thing in self.things() if is_gone(thing.partition(" ")[0])}

    def sweep(self) -> list[str]:
        """Remove what a run could not, because its engine was gone."""
        mine = ("--filter", "label=buildkit.run", "--quiet")
        found = self.docker("ps", "--all", *mine).split()
        if found:
            self.docker("rm", "--force", "--volumes", *found)
        if volumes := self.docker("volume", "ls", *mine).split():
            self.docker("volume", "rm", "--force", *volumes)
        if networks := self.docker("network", "ls", *mine).split():
            self.docker("network", "rm", *networks)
        return found

    def stay_behind(self, before: set[str]) -> set[str]:
        """Those that were not there before, and stay."""
        found = self.leftovers() - before
        deadline = time.monotonic() + HANG
        while found and time.monotonic() < deadline:
            time.sleep(0.2)
            found &= self.leftovers()
        return found


ALGORITHM = Path(__file__).parents[1] / "algorithm"
"""Two programs of the standard library that keep the contract: images of them build in a second."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """A folder with an images.toml of its own, whose images' repository nobody else has."""

    folder: Path
    name: str
    repository: str

    def write(self, text: str) -> None:
        text = text.replace("NAME", self.name).replace("REPOSITORY", self.repository)
        (self.folder / "images.toml").write_text(text)

    def change(self, program: str, old: str, new: str) -> None:
        """Change `train` or `serve`."""
        path = self.folder / "program" / program
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def template(self, name: str, instructions: str) -> None:
        """Write a template of the project: the basic one, with these instructions before it."""
        folder = self.folder / "templates"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.Dockerfile.j2").write_text(
            TEMPLATE.replace("INSTRUCTIONS", instructions)
        )

    @property
    def id(self) -> str:
        return f"{self.name}-1.0-cpu-py311"


TRAINS = """
[image.NAME]
versions = [VERSIONS]
base = "python:3.11-slim-bookworm"
template = "basic"
context = "program"
purposes = ["training"]
aliases = ["latest-{device}-{py}"]

[image.NAME.samples]
channels = { training = "data" }
"""
"""An image that only trains, whose test takes half of the time."""
IMAGES = """
[image.NAME]
versions = ["1.0"]
base = "python:3.11-slim-bookworm"
template = "basic"
context = "program"

[image.NAME.samples]
channels = { training = "data" }

[[image.NAME.samples.payload]]
content-type = "text/csv"
body = "request.csv"
answer = "answer.csv"
"""

TEMPLATE = """\
{% extends "basic.Dockerfile.j2" %}
{% block system %}
INSTRUCTIONS
{% endblock %}
"""


def make_project(folder: Path, name: str = "") -> Project:
    shutil.copytree(ALGORITHM, folder / "program")
    (folder / "data").mkdir()
    (folder / "data" / "numbers.csv").write_text("1\n2\n6\n")
    (folder / "request.csv").write_text("1\n2\n")
    (folder / "answer.csv").write_text("4\n5\n")
    name = name or f"t{uuid.uuid4().hex[:8]}"
    project = Project(folder=folder, name=name, repository=name)
    project.write(IMAGES)
    return project


def make_wheel(folder: Path, name: str, *more: str) -> Path:
    """A wheel of one module, and `more` empty files.

    It is stored uncompressed, so that its bytes can be searched for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", f"NAME = {name!r}\n")
        for each in more:
            archive.writestr(each, "")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        files = (f"{name}.py", *more, f"{info}/METADATA", f"{info}/WHEEL", f"{info}/RECORD")
        archive.writestr(f"{info}/RECORD", "".join(f"{each},,\n" for each in files))
        archive.comment = f"wheel file of {name}".encode()
    return path
