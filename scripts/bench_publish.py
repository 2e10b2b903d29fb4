"""`make bench-publish`: publishing against `docker push`, one image after another.

Twelve real images that share layers, into empty registries on this machine, in turns; then the
bytes that were sent for the layers there are; then 48 images of which nothing is new, in two
registries.
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

from buildkit import config, matrix
from tests.e2e.parts import relay
from tests.e2e.real import Local, exports, script

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BUILDKIT = str(Path(sys.executable).with_name("buildkit"))
RELATED = (
    "sklearn-*", "xgboost-3*", "xgboost-two-*", "lightgbm-*", "basic-*", "script-mode-1.0-cpu-py311"
)  # fmt: skip
ROUNDS = 3
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
    found = matrix.select(matrix.expand(config.read(ROOT / "images.toml")), RELATED)
    images = [target.image for target in found]
    print(f"{len(images)} related images, {ROUNDS} rounds in turns")
    times: dict[str, list[float]] = {"docker push": [], "buildkit push": []}
    for number in range(ROUNDS):
        with registry(f"docker-{number}") as there:
            times["docker push"].append(seconds_of_docker(images, there))
        with registry(f"ours-{number}") as there:
            times["buildkit push"].append(seconds_of_ours(RELATED, [there], ROOT))
    for name, found in times.items():
        print(
            f"  {name}: {statistics.median(found):.1f} s  ({', '.join(f'{s:.1f}' for s in found)})"
        )
    ratio = statistics.median(times["buildkit push"]) / statistics.median(times["docker push"])
    print(f"  ratio {ratio:.2f}")
    tell_bytes(images)
    tell_unchanged()


def tell_bytes(images: Sequence[str]) -> None:
    with registry("bytes") as there, relay(there.registry) as wire:
        through = replace(there, env={**there.env, "BUILDKIT_REGISTRY": wire.address})
        seconds_of_ours(RELATED, [through], ROOT)
        manifests = [there.manifest(*image.split(":")) for image in images]
    layers = {
        layer["digest"]: layer["size"]
        for manifest in manifests
        if manifest is not None
        for layer in manifest[2]["layers"]
    }
    sent, unique = wire.passed / 1e6, sum(layers.values()) / 1e6
    print(f"{sent:.1f} MB sent for {unique:.1f} MB of layers: {sent / unique:.3f}")


def tell_unchanged() -> None:
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
def registry(name: str) -> Iterator[Local]:
    """An empty one, as the environment that leads to it."""
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as state:
        try:
            yield Local(env=exports(script("registry", "up", "--state", state)))
        finally:
            script("registry", "down", "--state", state)


if __name__ == "__main__":
    main()
