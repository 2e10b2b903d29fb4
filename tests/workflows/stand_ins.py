"""What GitHub's machines bring along, and the actions of others, which are JavaScript: as small as can be."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

GH = """#!/bin/sh
# GitHub's own command line: a test looks at what it was asked, and at the text of a pull request.
# OPEN is the number of the one that is open.
[ -n "$GH_TOKEN" ] || { echo "gh: no GH_TOKEN" >&2; exit 4; }
echo "$*" >>"$GH_LOG"
for each; do
  case $each in --body-file=*) cat "${each#*=}" >>"$GH_LOG" ;; esac
done
case $* in "pr list "*) echo "$OPEN" ;; esac
"""


@dataclass
class Files:
    """The files by which a step tells the next ones something."""

    output: Path
    env: Path
    path: Path
    summary: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_ENV": str(self.env),
            "GITHUB_PATH": str(self.path),
            "GITHUB_STEP_SUMMARY": str(self.summary),
        }


@dataclass(kw_only=True)
class Machine:
    """The runner of one job."""

    folder: Path
    artifacts: Path
    caches: Path
    repositories: Mapping[str, Path]
    python: Path
    permissions: Mapping[str, str]
    environment: Mapping[str, str]
    added: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)

    @property
    def workspace(self) -> Path:
        return self.folder / "work"

    @property
    def temp(self) -> Path:
        return self.folder / "temp"

    def prepare(self) -> None:
        for name in ("work", "home", "bin", "temp"):
            (self.folder / name).mkdir(parents=True)
        gh = self.folder / "bin" / "gh"
        gh.write_text(GH)
        gh.chmod(0o755)

    def variables(self) -> dict[str, str]:
        path = [*reversed(self.paths), str(self.folder / "bin"), self.environment["PATH"]]
        return {
            **self.environment,
            "HOME": str(self.folder / "home"),
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_ACTIONS": "true",
            "GH_LOG": str(self.artifacts / "gh.log"),
            "PATH": os.pathsep.join(path),
            **self.added,
        }

    @contextmanager
    def files(self) -> Iterator[Files]:
        folder = self.temp / uuid.uuid4().hex
        folder.mkdir()
        found = Files(*(folder / name for name in ("output", "env", "path", "summary")))
        for each in vars(found).values():
            each.touch()
        yield found
        shutil.rmtree(folder)

    def take(self, files: Files) -> dict[str, str]:
        """What a step said: its outputs; variables and folders for the next steps are kept."""
        self.added |= _pairs(files.env)
        self.paths += files.path.read_text().split()
        return _pairs(files.output)


def _pairs(file: Path) -> dict[str, str]:
    found = {}
    lines = iter(file.read_text().splitlines())
    for line in lines:
        if "<<" in line.partition("=")[0]:
            name, _, end = line.partition("<<")
            found[name] = "\n".join(iter(lambda: next(lines), end))
        else:
            name, _, found_text = line.partition("=")
            found[name] = found_text
    return found


def checkout(machine: Machine, given: Mapping[str, str], github: Mapping[str, Any]) -> None:
    repository = given.get("repository") or github["repository"]
    ref = given.get("ref") or github["sha"]
    folder = machine.workspace / given.get("path", ".")
    assert given.get("persist-credentials") == "false", "its token would lie in the checkout"
    assert machine.permissions.get("contents") in ("read", "write"), "it may not read the code"
    source = str(machine.repositories[repository])
    _git("clone", "--quiet", "--no-checkout", source, str(folder), cwd=machine.folder)
    _git("checkout", "--quiet", "--detach", ref, cwd=folder)
    if given.get("fetch-depth") != "0":  # without history, and without other branches
        _git("remote", "set-url", "origin", source, cwd=folder)
        for name in ("origin/HEAD", "origin/main"):
            subprocess.run(
                ["git", "update-ref", "-d", f"refs/remotes/{name}"], cwd=folder, check=False
            )


def setup_python(machine: Machine, given: Mapping[str, str], _github: Mapping[str, Any]) -> None:
    assert given["python-version"]
    machine.paths.append(str(machine.python / "bin"))


def configure_aws(machine: Machine, given: Mapping[str, str], _github: Mapping[str, Any]) -> None:
    """The role that moto would give; without the permission for a token of OIDC there is none."""
    assert machine.permissions.get("id-token") == "write", "no token of OIDC"
    assert given["role-to-assume"].startswith("arn:"), given
    machine.added |= {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": given["aws-region"],
    }


def restore(
    machine: Machine, given: Mapping[str, str], _github: Mapping[str, Any]
) -> dict[str, str]:
    """The newest cache of the first key that fits; all but the exact key are beginnings."""
    assert given["path"].startswith(str(machine.temp)), "it would be part of the checkout"
    found = sorted(machine.caches.glob("*"), key=lambda each: each.stat().st_mtime, reverse=True)
    fitting = [each for each in found if each.name == given["key"]]
    for beginning in given.get("restore-keys", "").split():
        fitting += [each for each in found if each.name.startswith(beginning)]
    outputs = {"cache-primary-key": given["key"], "cache-hit": "false"}
    if not fitting:
        return outputs
    shutil.copytree(fitting[0], given["path"])
    hit = "true" if fitting[0].name == given["key"] else "false"
    return {**outputs, "cache-hit": hit, "cache-matched-key": fitting[0].name}


def save(machine: Machine, given: Mapping[str, str], _github: Mapping[str, Any]) -> None:
    """A key is given once."""
    there = machine.caches / given["key"]
    if not there.exists():
        shutil.copytree(given["path"], there)
        os.utime(there)  # the time of the copy, by which the newest is found


def upload(machine: Machine, given: Mapping[str, str], _github: Mapping[str, Any]) -> None:
    paths = (machine.workspace / line for line in given["path"].splitlines())
    found = [each for each in paths if each.exists()]
    there = machine.artifacts / given["name"]
    assert given.get("overwrite") == "true" or not there.exists(), f"{there.name} is there already"
    if not found:
        return
    shutil.rmtree(there, ignore_errors=True)
    there.mkdir()
    for source in found:
        if source.is_dir():
            shutil.copytree(source, there, dirs_exist_ok=True)
        else:
            shutil.copy(source, there)


def download(machine: Machine, given: Mapping[str, str], _github: Mapping[str, Any]) -> None:
    there = machine.workspace / given["path"]
    if name := given.get("name"):
        shutil.copytree(machine.artifacts / name, there, dirs_exist_ok=True)
        return
    found = [
        each
        for each in machine.artifacts.iterdir()
        if each.is_dir() and fnmatchcase(each.name, given["pattern"])
    ]
    for each in found:  # a single one has no folder of its own
        inside = there if len(found) == 1 else there / each.name
        shutil.copytree(each, inside, dirs_exist_ok=True)


KNOWN: dict[
    str, Callable[[Machine, Mapping[str, str], Mapping[str, Any]], dict[str, str] | None]
] = {
    "actions/cache/restore": restore,
    "actions/cache/save": save,
    "actions/checkout": checkout,
    "actions/setup-python": setup_python,
    "actions/upload-artifact": upload,
    "actions/download-artifact": download,
    "aws-actions/configure-aws-credentials": configure_aws,
}


def _git(*words: str, cwd: Path) -> None:
    subprocess.run(["git", *words], cwd=cwd, check=True, capture_output=True)
