"""Part of `make bench-skip`: one file of one of 48 targets has changed.

Against the bare build of that target and its test; with images.lock against without; and on a
machine that has nothing but the checkout, while the registry has everything.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bench import BUILDKIT, Side, bake, compare, print_heads, run

from tests.e2e.support.bases import docker_folder, publish
from tests.e2e.support.parts import another_engine
from tests.e2e.support.real import ALGORITHM, Local, exports, make_wheel, script

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE, ROUNDS = 48, 5
IMAGES = """
[registry]
build-cache = true

[registry.repositories]
mutability = "mutable"

[defaults]
base = "BASE"
template = "basic"
packages = [PACKAGES]

[defaults.samples]
channels = { training = "data" }

[image.NAME]
versions = [VERSIONS]
context = "program"

[image.NAME-own]
versions = ["1.0"]
context = "own"
"""
PIP = "[global]\nno-index = true\n"
ASKED_OF_BUILD, ASKED_OF_LOCK, ASKED_OF_FRESH = 1.15, 1.03, 1.5


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A project of many targets, of which one has files of its own."""

    folder: Path
    name: str
    numbers: Iterator[int] = field(default_factory=count)

    @property
    def own(self) -> str:
        return f"{self.name}-own-1.0-cpu-py311"

    @property
    def image(self) -> str:
        return f"{self.name}-own:1.0-cpu-py311"

    def edit(self) -> None:
        """Change the one file, as never before."""
        (self.folder / "own" / "changed").write_text(f"{self.folder} {next(self.numbers)}\n")

    def buildkit(self, *words: str, **env: str) -> str:
        return run([BUILDKIT, *words], self.folder, **env)

    def edited(self, *words: str) -> Side:
        """A run after an edit."""
        return Side(partial(self.buildkit, *words), self.edit)


def main() -> None:
    size = int(sys.argv[1]) if sys.argv[1:] else SIZE
    local = Local(env=exports(script("registry", "up")))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = f"{local.registry}/benchmarked-base:3.11"
        publish(local, folder, base)
        login = docker_folder(local, folder / "docker", local.registry, local.login()[1])
        os.environ.update({**local.env, "DOCKER_CONFIG": login})
        print_heads()
        checkout = make_checkout(folder / "one", "benchone", base, size)
        checkout.buildkit("build", "--all", "--push")
        against_bare(checkout, size)
        on_a_fresh_machine(local, checkout, folder, size)
        against_unlocked(folder, base, size)


def make_checkout(folder: Path, name: str, base: str, size: int, packages: str = "") -> Checkout:
    shutil.copytree(ALGORITHM, folder / "program")
    shutil.copytree(ALGORITHM, folder / "own")
    (folder / "data").mkdir()
    (folder / "data" / "numbers.csv").write_text("1\n2\n")
    versions = ", ".join(f'"{number}.0"' for number in range(size - 1))
    text = IMAGES.replace("NAME", name).replace("BASE", base).replace("VERSIONS", versions)
    (folder / "images.toml").write_text(text.replace("PACKAGES", packages))
    return Checkout(folder=folder, name=name)


def against_bare(checkout: Checkout, size: int) -> None:
    """The test is that of the tool: nothing else has it."""
    plan = checkout.folder / "plan.json"
    plan.write_text(checkout.buildkit("build", "--all", "--bake-plan"))
    test = ("test", checkout.image, "--samples", checkout.own, "--profile", "smoke")

    def bare() -> None:
        run(bake(plan, checkout.own), checkout.folder)
        checkout.buildkit(*test)

    compare(
        f"build, 1 of {size} changed / bake and test it",
        checkout.edited("build", "--all"),
        Side(bare, checkout.edit),
        ROUNDS,
        asked=ASKED_OF_BUILD,
    )


def against_unlocked(folder: Path, base: str, size: int) -> None:
    """All targets install one package, from a wheel of our own."""
    (folder / "pip.conf").write_text(PIP)
    make_wheel(folder / "wheels", "benchmarked")
    os.environ["BUILDKIT_PIP_CONFIG"] = str(folder / "pip.conf")
    os.environ["BUILDKIT_WHEELS"] = str(folder / "wheels")
    both = [
        make_checkout(folder / name, f"bench{name}", base, size, '"benchmarked==1.0"')
        for name in ("locked", "unlocked")
    ]
    both[0].buildkit("lock")
    for each in both:
        each.buildkit("build", "--all")
    locked, unlocked = (each.edited("build", "--all") for each in both)
    title = f"build, 1 of {size} changed, locked / unlocked"
    compare(title, locked, unlocked, ROUNDS, asked=ASKED_OF_LOCK)


def on_a_fresh_machine(local: Local, warm: Checkout, folder: Path, size: int) -> None:
    """The second machine is another engine, a home folder without caches, and a new checkout."""
    push = ("build", "--all", "--push")
    fresh = Checkout(folder=folder / "fresh", name=warm.name)
    with ExitStack() as opened:
        try:
            _, there = opened.enter_context(another_engine(local, "containerd"))
        except pytest.skip.Exception as error:
            print(f"no fresh machine: {error}")
            return
        login = docker_folder(there, folder / "docker-there", local.registry, local.login()[1])
        home = folder / "home"
        env = {**there.env, "DOCKER_CONFIG": login, "HOME": str(home), "XDG_CACHE_HOME": ""}

        def forget() -> None:
            for each in (fresh.folder, home):
                shutil.rmtree(each, ignore_errors=True)
            there.docker("system", "prune", "--all", "--force", "--volumes")
            shutil.copytree(warm.folder, fresh.folder, ignore=shutil.ignore_patterns("dist"))
            home.mkdir()
            fresh.edit()

        compare(
            f"build --push, 1 of {size} changed, fresh machine / warm",
            Side(lambda: fresh.buildkit(*push, **env), forget),
            warm.edited(*push),
            ROUNDS,
            asked=ASKED_OF_FRESH,
        )


if __name__ == "__main__":
    main()
