"""What pip has downloaded in one builder is not downloaded again by another."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from tests.e2e.support import tested as once
from tests.e2e.support.package_index import index, options
from tests.e2e.support.real import IMAGES, make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.parts import Engine
    from tests.e2e.support.real import Local, Project

OLD = b"an old wheel"
MONTHS = 90 * 24 * 60 * 60


def test_saved_packages_are_not_downloaded_again_for_the_classic_store_and_old_ones_are_left_out(
    local: Local, classic: tuple[Engine, Local], project: Project, tmp_path: Path
) -> None:
    _, other = classic
    wheel = make_wheel(tmp_path / "index" / f"{project.name}one", f"{project.name}one")
    project.write(once.ONE.replace('"1.0"]', '"1.0"]\npackages = ["NAMEone"]'))
    saved = tmp_path / "some, wheels"
    asked: list[str] = []

    def run(there: Local, *arguments: str) -> str:
        done = there.buildkit(*arguments, folder=project.folder)
        assert done.code == 0, done.stderr
        return done.stdout

    def wheels() -> list[str]:
        found = [path for path in asked if path.endswith(wheel.name)]
        asked.clear()
        return found

    def kept() -> set[bytes]:
        """Those of this test: the builder has others."""
        ours = {wheel.read_bytes(), OLD}
        return ours & {path.read_bytes() for path in saved.rglob("*.body")}

    with index(local, tmp_path / "index", asked=asked) as host:
        build = ("build", "--all", *options(local, tmp_path, f"index-url = https://{host}/"))
        assert run(other, "cache", "load", str(saved)) == "loaded 0 B of packages\n"
        run(local, *build)
        assert len(wheels()) == 1
        run(local, "cache", "save", str(saved))
        assert kept() == {wheel.read_bytes()}

        # Another machine, and what it has had for months.
        (old,) = saved.glob("http*")
        (old / "old.body").write_bytes(OLD)
        os.utime(old / "old.body", times=(time.time() - MONTHS,) * 2)
        run(other, "cache", "load", str(saved))
        run(other, *build)
        assert asked  # what there is
        assert wheels() == []
        run(other, "cache", "save", str(saved), "--older-than", "60d")
        assert kept() == {wheel.read_bytes()}


def test_all_that_the_classic_store_keeps_can_be_freed_but_no_image(
    classic: tuple[Engine, Local], project: Project, tmp_path: Path
) -> None:
    _, there = classic
    project.template(
        "mounts", "RUN --mount=type=cache,target=/kept echo {{ target.name }} >/kept/x"
    )
    project.write(IMAGES.replace('"basic"', '"mounts"'))
    assert there.buildkit("build", "--all", folder=project.folder).code == 0

    def cache(*arguments: str) -> dict[str, int]:
        """How many entries there are of each kind."""
        arguments = ("cache", *arguments, "--json")
        own = str(tmp_path / "cache")
        done = there.buildkit(*arguments, folder=tmp_path, XDG_CACHE_HOME=own)
        assert done.code == 0, done.stderr
        (rows,) = done.json.values()
        return {row["what"]: row["entries"] for row in rows if row["where"] == "engine"}

    before = cache("size")
    assert before["packages"] > 0
    assert cache("prune", "--older-than", "50w") == {"builder": 0}
    assert cache("size")["packages"] == before["packages"]
    assert cache("prune", "--older-than", "0m")["builder"] >= before["packages"]
    assert cache("size")["packages"] == 0
    image = f"{project.name}:1.0-cpu-py311"
    assert there.docker("run", "--rm", image, "python", "-c", "print(1)") == "1"
