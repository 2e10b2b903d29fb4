"""`make bench`: buildkit against the alternatives, as medians and ratios.

The two sides of a pair alternate, so that a machine that slows down slows both.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


class Side(NamedTuple):
    """One side of a pair: what is measured, and what is done before that."""

    work: Callable[[], object]
    before: Callable[[], object] = lambda: None


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        make_project(project)
        plan = project / "plan.json"
        plan.write_text(run([BUILDKIT, "build", "--all", "--bake-plan"], project))
        run([BUILDKIT, "build", "--all"], project)  # fills the caches of both
        python = command([sys.executable, "-c", "pass"], project)
        print_heads()
        compare("--help / python -c pass", command([BUILDKIT, "--help"], project), python, 15)
        compare("list / python -c pass", command([BUILDKIT, "list"], ROOT), python, 15)
        build = command([BUILDKIT, "build", "--all"], project)
        compare(f"build, {TARGETS} unchanged / bake", build, command(bake(plan), project), 5)


def make_project(folder: Path) -> None:
    shutil.copytree(ROOT / "tests/e2e/algorithm", folder / "program")
    (folder / "data").mkdir()
    (folder / "data" / "numbers.csv").write_text("1\n2\n")
    versions = ", ".join(f'"{number}"' for number in range(TARGETS))
    (folder / "images.toml").write_text(IMAGES.format(versions=versions))


def bake(plan: Path, *names: str) -> list[str]:
    return ["docker", "buildx", "bake", "--file", str(plan), "--progress", "plain", *names]


def command(argv: Sequence[str], folder: Path, **env: str) -> Side:
    return Side(partial(run, argv, folder, **env))


def print_heads() -> None:
    print(f"{'median s':>10} {'median s':>10} {'ratio':>7} {'asked':>7}")


def compare(
    title: str, ours: Side, theirs: Side, runs: int, *, asked: float = 0, seconds: float = 0
) -> None:
    """Print the medians of both sides, and the median ratio beside the one that is `asked`.

    `seconds` is the asked limit of our side.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(runs + 1):
        for found, side in zip(times, (ours, theirs), strict=True):
            side.before()
            began = time.perf_counter()
            side.work()
            if number:  # the first turn warms up
                found.append(time.perf_counter() - began)
    ratio = statistics.median(a / b for a, b in zip(*times, strict=True))
    one, two = map(statistics.median, times)
    limit = f"{asked:.3f}" if asked else ""
    over = " NOT MET" if (asked and ratio > asked) or (seconds and one > seconds) else ""
    also = f" (asked: {seconds:g} s)" if seconds else ""
    print(f"{one:10.3f} {two:10.3f} {ratio:7.3f} {limit:>7}  {title}{also}{over}", flush=True)


def run(argv: Sequence[str], folder: Path, **env: str) -> str:
    unset = ("PIP_CERT", "SSL_CERT_FILE")  # the plan would name secrets that are gone by then
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment["BUILDX_NO_DEFAULT_ATTESTATIONS"] = "1"
    done = subprocess.run(
        argv, cwd=folder, env=environment | env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(argv)}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
