"""`make bench-skip [SIZES=48]`: runs in which nothing has changed, against bare bake.

The base is in the local registry, as it is for users. The commands of a pair alternate.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from bench import BUILDKIT, ROOT, compare, run

from tests.e2e.support.bases import docker_folder, publish
from tests.e2e.support.real import Local, exports, script

IMAGES = """
[image.NAME]
versions = [VERSIONS]
base = "BASE"
template = "basic"
context = "program"
"""
SIZES = (12, 48, 96)
NOWHERE = "unix:///nowhere/docker.sock"


def main() -> None:
    local = Local(env=exports(script("registry", "up")))
    print(f"{'median s':>10} {'median s':>10} {'ratio':>7}")
    for size in map(int, sys.argv[1:]) if sys.argv[1:] else SIZES:
        with tempfile.TemporaryDirectory() as name:
            bench(make_project(Path(name), size, local), size)


def bench(folder: Path, size: int) -> None:
    ours = [BUILDKIT, "build", "--all", "--push"]
    run(ours, folder)
    plan = folder / "plan.json"
    plan.write_text(run([BUILDKIT, "build", "--all", "--bake-plan"], folder))
    bake = ["docker", "buildx", "bake", "--file", str(plan), "--progress", "plain"]
    run(bake, folder)
    compare(f"build --push, {size} unchanged / bake", ours, bake, folder, 5)
    alone = ["env", f"DOCKER_HOST={NOWHERE}", *ours]
    compare(f"the same without an engine, {size} / bake", alone, bake, folder, 3)


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
