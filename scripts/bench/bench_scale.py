"""Part of `make bench`: what 10,000 targets cost, and how that compares with 1,000.

Processor time counts, because it depends less on what else the machine does. No engine and no
registry is asked: images.toml names the bases by their digests. `plan, first` has an empty cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
BUILDKIT = str(Path(sys.executable).with_name("buildkit"))
IMAGE = """
[image.model{number}]
versions = [{versions}]
pythons = ["3.10", "3.11"]
devices = ["cpu", "gpu"]
base = "python:{{python}}-slim-bookworm@sha256:{digest}"
template = "basic"
context = "program"
packages = ["six=={{version}}", "numpy>=1"]
"""
VERSIONS, EACH = 25, 100
"""Versions and targets of an image."""
FEW, MANY = 1_000, 10_000
PLAN = ("build", "--all", "--plan")
COMMANDS = {
    "list": ("list",),
    "plan, first": PLAN,
    "plan": PLAN,
    "render": ("render",),
}
ASKED = {("list", MANY): 2.0, ("plan", MANY): 2.0, ("render", FEW): 3.0}
"""The most seconds that a command may take, by title and number of targets."""
ASKED_MEGABYTES, ASKED_RATIO = 250, 12


class Cost(NamedTuple):
    """What a process took: seconds of a processor, seconds, and megabytes."""

    processor: float
    seconds: float
    memory: float


def main() -> None:
    print(f"{'':12} {'targets':>7} {'CPU s':>7} {'s':>7} {'MB':>5}")
    costs = {(name, count): cost for count in (FEW, MANY) for name, cost in costs_of(count)}
    for name in COMMANDS:
        if (name, MANY) in costs:
            ratio = costs[name, MANY].processor / costs[name, FEW].processor
            over = " NOT MET" if ratio > ASKED_RATIO else ""
            print(
                f"{name:12} {FEW:,} -> {MANY:,}: {ratio:.1f} times the processor time "
                f"(asked: {ASKED_RATIO}){over}"
            )


def costs_of(count: int) -> list[tuple[str, Cost]]:
    """Prints what each command costs with this number of targets."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        make_project(project, count)
        for title, command in COMMANDS.items():
            if title != "render" or count == FEW:  # rendering has a limit for FEW
                cost = run([BUILDKIT, *command], project)
                processor, seconds, memory = cost
                print(
                    f"{title:12} {count:7,} {processor:7.2f} {seconds:7.2f} {memory:5.0f}"
                    f"{asked(title, count, cost)}",
                    flush=True,
                )
                found.append((title, cost))
    return found


def asked(title: str, count: int, cost: Cost) -> str:
    """The limits of a command, and whether it is within them."""
    if (limit := ASKED.get((title, count))) is None:
        return ""
    over = cost.seconds > limit or cost.memory > ASKED_MEGABYTES
    return f"  (asked: {limit:g} s, {ASKED_MEGABYTES} MB){' NOT MET' if over else ''}"


def make_project(folder: Path, count: int) -> None:
    shutil.copytree(ROOT / "tests/e2e/algorithm", folder / "program")
    versions = ", ".join(f'"1.{number}"' for number in range(VERSIONS))
    images = (
        IMAGE.format(number=number, versions=versions, digest="0" * 64)
        for number in range(count // EACH)
    )
    (folder / "images.toml").write_text("".join(images))


def run(command: list[str], folder: Path) -> Cost:
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: {said}")
    return Cost(
        processor=used.ru_utime + used.ru_stime,
        seconds=time.perf_counter() - began,
        memory=used.ru_maxrss / 1024,
    )


if __name__ == "__main__":
    main()
