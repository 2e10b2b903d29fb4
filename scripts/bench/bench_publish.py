"""`make bench-publish`: publishing against `docker push`, one image after another.

Both alternately push twelve real images that share layers into empty registries: on this machine,
where processors are the limit, and at the usual distance of a registry. Then it compares uploaded
bytes with the size of the layers, and pushes 48 unchanged images to two registries.
"""

from __future__ import annotations

import base64
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from load import ROOT, run

from buildkit.config import images_toml
from buildkit.matrix import matrix
from tests.e2e.support.parts import relay
from tests.e2e.support.real import Local, exports, script

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.e2e.support.parts import Relay

BUILDKIT = str(Path(sys.executable).with_name("buildkit"))
RELATED = (
    "sklearn-*", "xgboost-3*", "xgboost-two-*", "lightgbm-*", "basic-*", "script-mode-1.0-cpu-py311"
)  # fmt: skip
ROUNDS = 3
MEMORY = Path("/dev/shm")  # noqa: S108 - where the registries keep what they are sent
"""A registry's disk is not on the machine that publishes: writing to it would slow both down."""
UNCHANGED = 48
IMAGES = """
[image.bench]
versions = [{versions}]
base = "python:3.11-slim-bookworm"
template = "basic"
context = "program"
labels = {{ version = "{{version}}" }}

[image.bench.samples]
channels = {{ training = "data" }}
"""


def main() -> None:
    run(BUILDKIT, "build", *RELATED)
    found = matrix.select(matrix.expand(images_toml.read(ROOT / "images.toml")), RELATED)
    images = [target.image for target in found]
    print(f"{len(images)} related images into empty registries, {ROUNDS} alternating rounds")
    print_times("with nothing between", images, {})
    print_times("20 ms away, 50 MB/s a connection", images, {"rate": 50e6, "delay": 0.02})
    print_bytes(images)
    print_unchanged()


def print_times(where: str, images: Sequence[str], road: Mapping[str, float]) -> None:
    times: dict[str, list[float]] = {"docker push": [], "buildkit push": []}
    for number in range(ROUNDS):
        with registry(f"docker-{number}", road) as there:
            times["docker push"].append(seconds_of_docker(images, there))
        with registry(f"ours-{number}", road) as there:
            times["buildkit push"].append(seconds_of_ours(RELATED, [there], ROOT))
    print(f"{where}:")
    for name, found in times.items():
        each = ", ".join(f"{seconds:.1f}" for seconds in found)
        print(f"  {name}: {statistics.median(found):.1f} s  ({each})")
    ratio = statistics.median(times["buildkit push"]) / statistics.median(times["docker push"])
    print(f"  ratio {ratio:.2f}")


def print_bytes(images: Sequence[str]) -> None:
    with registry("bytes") as there, relay(there.registry) as wire:
        seconds_of_ours(RELATED, [behind(wire, there)], ROOT)
        manifests = [there.manifest(*image.split(":")) for image in images]
    layers = {
        layer["digest"]: layer["size"]
        for manifest in manifests
        if manifest is not None
        for layer in manifest[2]["layers"]
    }
    sent, unique = wire.passed / 1e6, sum(layers.values()) / 1e6
    print(f"{sent:.1f} MB sent for {unique:.1f} MB of layers: {sent / unique:.3f}")


def print_unchanged() -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        registry("one") as one,
        registry("two") as two,
    ):
        project = Path(name)
        shutil.copytree(ROOT / "tests/e2e/algorithm", project / "program")
        (project / "data").mkdir()
        (project / "data" / "numbers.csv").write_text("1\n2\n")
        versions = ", ".join(f'"{number}"' for number in range(UNCHANGED))
        (project / "images.toml").write_text(IMAGES.format(versions=versions))
        subprocess.run([BUILDKIT, "build", "--all"], cwd=project, check=True, capture_output=True)
        both = [one, two]
        first = seconds_of_ours(["--all"], both, project)
        found = [seconds_of_ours(["--all"], both, project) for _ in range(5)]
    print(
        f"{UNCHANGED} images in 2 registries: first {first:.1f} s, "
        f"unchanged {statistics.median(found):.2f} s"
    )


def seconds_of_docker(images: Sequence[str], there: Local) -> float:
    """`docker push`, one after another; the login and the names are not counted."""
    secret = base64.b64encode(":".join(there.login()).encode()).decode()
    named = [f"{there.registry}/{image}" for image in images]
    with tempfile.TemporaryDirectory() as folder:
        login = {"auths": {there.registry: {"auth": secret}}}
        Path(folder, "config.json").write_text(json.dumps(login))
        for image, name in zip(images, named, strict=True):
            there.docker("tag", image, name)
        began = time.monotonic()
        for name in named:
            there.docker("--config", folder, "push", "--quiet", name)
        seconds = time.monotonic() - began
        there.docker("image", "rm", *named)
    return seconds


def seconds_of_ours(select: Sequence[str], registries: Sequence[Local], folder: Path) -> float:
    hosts = [word for each in registries for word in ("--registry", each.registry)]
    began = time.monotonic()
    done = registries[0].buildkit("push", *select, *hosts, folder=folder)
    seconds = time.monotonic() - began
    if done.code:
        sys.exit(done.stderr)
    return seconds


@contextmanager
def registry(name: str, road: Mapping[str, float] | None = None) -> Iterator[Local]:
    """An empty one, as the environment that leads to it; `road`: options of a relay before it."""
    memory = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=memory) as state:
        try:
            there = Local(env=exports(script("registry", "up", "--state", state)))
            if not road:
                yield there
                return
            with relay(there.registry, **road) as wire:
                yield behind(wire, there)
        finally:
            script("registry", "down", "--state", state)


def behind(wire: Relay, there: Local) -> Local:
    return replace(there, env={**there.env, "BUILDKIT_REGISTRY": wire.address})


if __name__ == "__main__":
    main()
