"""`make measure`: what each image costs, as the table of docs/reference/images.md.

    scripts/bench/measure_images.py [SELECT…]

A row for each target: seconds to build it (with an empty cache if the engine is new), megabytes
compressed and unpacked, what its training said of its accuracy, seconds from the start of a
container to its first /ping 200, requests per second and their 99th percentile in milliseconds
with its first sample at 8 connections. Each server has all processors of the engine.
"""

from __future__ import annotations

import re
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from load import CONNECTIONS, ROOT, Request, ask, run

from buildkit import records
from buildkit.config import boundary, images_toml
from buildkit.contract.hosting import starting
from buildkit.contract.jobs import training_runs
from buildkit.contract.scenario import Bench, Subject
from buildkit.engine import engine
from buildkit.matrix import matrix

if TYPE_CHECKING:
    from buildkit.engine.engine import Engine
    from buildkit.model.target import Target

BUILDKIT = str(Path(sys.executable).with_name("buildkit"))
SECONDS = 5
ACCURACY = re.compile(r"accuracy=([0-9.]+)")
HEAD = (
    "Target", "Build s", "MB", "MB unpacked", "Accuracy", "Ready s", "Requests/s", "p99 ms"
)  # fmt: skip


def main() -> None:
    targets = matrix.select(
        matrix.expand(images_toml.read(ROOT / "images.toml")), sys.argv[1:] or ["*"]
    )
    there = engine.connect()
    print(f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}", flush=True)
    for target in targets:
        cells = (f"`{target.id}`", *built(target, there), *worked(target, there))
        print(f"| {' | '.join(cells)} |", flush=True)


def built(target: Target, there: Engine) -> tuple[str, str, str]:
    """Seconds less those of the test, and megabytes."""
    began = time.monotonic()
    run(BUILDKIT, "build", target.id, "--retest")
    seconds = time.monotonic() - began
    where = records.kept_in(ROOT / "dist", boundary.around(ROOT))
    report = where.find(records.REPORT, target.id)
    image = there.client.images.get(target.image)
    unpacked = sum(layer["Size"] for layer in image.history())
    size = image.attrs["Size"] if there.containerd else 0
    testing = report.seconds if report else 0.0
    return f"{seconds - testing:.0f}", f"{size / 1e6:.0f}", f"{unpacked / 1e6:.0f}"


def worked(target: Target, there: Engine) -> tuple[str, str, str, str]:
    """Accuracy, seconds until it serves, requests per second, milliseconds."""
    with ExitStack() as kept:
        subject = Subject(
            image=target.image, architecture=None, purpose=target.purpose, samples=target.samples
        )
        bench = Bench(subject=subject, engine=there, kept=kept)
        accuracy = ""
        if target.purpose.trains:
            found = ACCURACY.findall(training_runs.trained(bench).log)
            accuracy = found[-1] if found else ""
        if not target.purpose.serves:
            return accuracy, "", "", ""
        with starting.served(bench, plain=True) as serving:
            sample = serving.a_payload()
            request = Request(
                body=Path(sample.body).read_text(),
                content_type=sample.content_type,
                accept=sample.accept or sample.content_type,
            )
            load = ask(
                there.client,
                serving.container.id,
                request,
                connections=CONNECTIONS,
                seconds=SECONDS,
            )
            if load.failed:
                sys.exit(f"{target.id}: {load.failed} requests failed\n{serving.log[-2000:]}")
            return accuracy, f"{serving.health.after:.1f}", f"{load.rate:.0f}", f"{load.p99:.0f}"


if __name__ == "__main__":
    main()
