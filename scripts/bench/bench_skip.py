"""Part of `make bench-skip [SIZES=48]`: runs in which nothing has changed, against bare bake.

The base is in the local registry, as it is for users.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from bench import BUILDKIT, ROOT, bake, command, compare, print_heads, run

from tests.e2e.support.bases import docker_folder, publish
from tests.e2e.support.real import Local, exports, script

IMAGES = """
[image.NAME]
versions = [VERSIONS]
base = "BASE"
template = "basic"
context = "program"
"""
ASKED = {12: 0.0, 48: 1 / 15, 96: 1 / 20}
"""The ratio to bare bake that is asked of a number of targets."""
SECONDS = 2
NOWHERE = "unix:///nowhere/docker.sock"


def main() -> None:
    local = Local(env=exports(script("registry", "up")))
    print_heads()
    for size in map(int, sys.argv[1:]) if sys.argv[1:] else ASKED:
        with tempfile.TemporaryDirectory() as name:
            bench(make_project(Path(name), size, local), size)


def bench(folder: Path, size: int) -> None:
    push = [BUILDKIT, "build", "--all", "--push"]
    run(push, folder)
    plan = folder / "plan.json"
    plan.write_text(run([BUILDKIT, "build", "--all", "--bake-plan"], folder))
    theirs = command(bake(plan), folder)
    theirs.work()
    asked = ASKED.get(size, 0)
    for title, ours in (
        ("build --push, {} unchanged / bake", command(push, folder)),
        ("without an engine, {} / bake", command(push, folder, DOCKER_HOST=NOWHERE)),
    ):
        compare(title.format(size), ours, theirs, 5, asked=asked, seconds=SECONDS)


def make_project(folder: Path, size: int, local: Local) -> Path:
    """`size` targets, and a docker configuration with the login of their base's registry."""
    base = f"{local.registry}/bench{size}-base:3.11"
    publish(local, folder, base)
    login = docker_folder(local, folder / "docker", local.registry, local.login()[1])
    os.environ.update({**local.env, "DOCKER_CONFIG": login})
    shutil.copytree(ROOT / "tests/e2e/algorithm", folder / "program")
    versions = ", ".join(f'"{number}.0"' for number in range(size))
    text = IMAGES.replace("NAME", f"bench{size}").replace("BASE", base)
    (folder / "images.toml").write_text(text.replace("VERSIONS", versions))
    return folder


if __name__ == "__main__":
    main()
