"""`make bench`: buildkit against the alternatives, as medians and ratios.

The two commands of a pair alternate, so that a machine that slows down slows both.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
BUILDKIT = str(Path(sys.executable).with_name("buildkit"))
IMAGES = """
[image.bench]
versions = [{versions}]
base = "python:3.11-slim-bookworm"
template = "basic"
context = "program"

[image.bench.samples]
channels = {{ training = "data" }}
"""
TARGETS = 12


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        make_project(project)
        plan = project / "plan.json"
        plan.write_text(run([BUILDKIT, "build", "--all", "--bake-plan"], project))
        run([BUILDKIT, "build", "--all"], project)  # fills the caches of both
        bake = ["docker", "buildx", "bake", "--file", str(plan), "--progress", "plain"]
        python = [sys.executable, "-c", "pass"]
        print(f"{'median s':>10} {'median s':>10} {'ratio':>7}")
        compare("--help / python -c pass", [BUILDKIT, "--help"], python, project, 15)
        compare("list / python -c pass", [BUILDKIT, "list"], python, ROOT, 15)
        compare(
            f"build, {TARGETS} unchanged / bake", [BUILDKIT, "build", "--all"], bake, project, 5
        )


def make_project(folder: Path) -> None:
    shutil.copytree(ROOT / "tests/e2e/algorithm", folder / "program")
    (folder / "data").mkdir()
    (folder / "data" / "numbers.csv").write_text("1\n2\n")
    versions = ", ".join(f'"{number}"' for number in range(TARGETS))
    (folder / "images.toml").write_text(IMAGES.format(versions=versions))


def compare(title: str, ours: list[str], theirs: list[str], folder: Path, runs: int) -> None:
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(runs + 1):
        for found, command in zip(times, (ours, theirs), strict=True):
            began = time.perf_counter()
            run(command, folder)
            if number:  # the first turn warms up
                found.append(time.perf_counter() - began)
    ratio = statistics.median(a / b for a, b in zip(*times, strict=True))
    one, two = map(statistics.median, times)
    print(f"{one:10.3f} {two:10.3f} {ratio:7.2f}  {title}", flush=True)


def run(command: Sequence[str], folder: Path) -> str:
    unset = ("PIP_CERT", "SSL_CERT_FILE")  # the plan would name secrets that are gone by then
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment["BUILDX_NO_DEFAULT_ATTESTATIONS"] = "1"
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
