"""Files that a test keeps for people: the log, the metrics and the model of `train`."""

from __future__ import annotations

import csv
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from buildkit.contract import archive
from buildkit.contract.checks import Broken, Unseen
from buildkit.contract.engine import Mount, Start
from buildkit.contract.jobs import metrics, training_job, training_runs

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.contract.scenario import Bench

LOG_BYTES = 1024 * 1024
VALUES = 1000
MODEL_BYTES = 64 * 1024 * 1024
"""Limits: the end of the log, the last values of a metric, the unpacked size of a model."""
LOG, METRICS, MODEL = "train.log", "metrics.csv", "model.tar.gz"
PATH = f"{training_job.ROOT}/model"


def clear(folder: Path) -> None:
    """Remove the files of an earlier test."""
    shutil.rmtree(folder, ignore_errors=True)


def write(bench: Bench, folder: Path) -> None:
    """Write what the run on the samples left, if there was one. Raises OSError."""
    made = bench.made(training_runs.on_samples)
    if made is None or not made[0].ran:
        return
    run, volume = made
    folder.mkdir(parents=True, exist_ok=True)
    lines = run.said
    log = "".join(f"{line}\n" for line in lines).encode()
    end = log if len(log) <= LOG_BYTES else log[-LOG_BYTES:].partition(b"\n")[2]
    (folder / LOG).write_bytes(end)
    if declared := bench.subject.samples.metrics:
        with (folder / METRICS).open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["metric", "value"])
            for name, pattern in declared:
                with suppress(Broken, Unseen):  # MET-01 reports a bad pattern
                    found = metrics.values(pattern, lines)[-VALUES:]
                    table.writerows([name, value.strip()] for value in found)
    if volume is not None:
        start = Start(command=("serve",), mounts=(Mount(volume=volume, path=PATH, read_only=True),))
        with bench.engine.container(bench.subject.image, start) as container:
            archive.repack(container.get(PATH), folder / MODEL, MODEL_BYTES)
