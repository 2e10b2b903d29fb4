"""A project with two images that are built and tested: made once for a whole run, and copied for each test."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.e2e.support.real import TRAINS, Project, make_project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.real import Local

TAGS = ("1.0-cpu-py311", "1.1-cpu-py311")
IMAGES = TRAINS.replace("VERSIONS", '"1.0", "1.1"').replace(
    "[image.NAME]\n", '[image.NAME]\nrepository = "REPOSITORY"\n'
)
ONE = IMAGES.replace('"1.0", "1.1"', '"1.0"')


def make(local: Local, folder: Path) -> Project:
    """The project in this folder: of several processes that ask, the first one makes it."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        if not (folder / "project").exists():
            new = folder / "new"
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            project = make_project(new, _name(folder))
            project.write(IMAGES)
            (new / "program" / "noise").write_bytes(os.urandom(3_000_000))
            done = local.buildkit("build", "--all", folder=new)
            assert done.code == 0, done.stderr
            new.rename(folder / "project")
    name = _name(folder)
    return Project(folder=folder / "project", name=name, repository=name)


def copy(project: Project, folder: Path) -> Project:
    """A copy whose images have a repository of their own: nothing has been published there."""
    repository = f"r{uuid.uuid4().hex[:8]}"
    shutil.copytree(project.folder, folder)
    copied = replace(project, folder=folder, repository=repository)
    copied.write(IMAGES)
    for path in (folder / "dist").glob("*/*.json"):
        named = f'"repository": "{project.repository}"'
        text = path.read_text()
        path.write_text(text.replace(named, f'"repository": "{repository}"'))
    return copied


def _name(folder: Path) -> str:
    return f"t{zlib.crc32(os.fsencode(folder)):08x}"
