"""Pipe mode: channels that come through FIFOs, one for each epoch (DATA-04)."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkit.contract.archive import Archive
from buildkit.contract.checks import Broken, Unseen, check
from buildkit.contract.engine import Mount, Start
from buildkit.contract.jobs import training_job, training_runs
from buildkit.contract.jobs.variants import lacks_channel
from buildkit.contract.logs import last_lines
from buildkit.contract.scenario import observation
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.contract.engine import Container
    from buildkit.contract.jobs.training_job import Channel, Job
    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.scenario import Bench

DATA = "feed"
SINGLES = 3
"""The number of channels to test one by one if not all of them can be pipes."""
READY_SECONDS = 300
"""Only ends a hang."""
LOOK_SECONDS = 0.1
FEEDER = """
command -v cat >&2 && command -v mkfifo >&2 || exit 97
echo ready
feed() {
  n=0
  while :; do
    cat /feed/"$1"/*/* >/opt/ml/input/data/"$1_$n" || :
    echo "fed $1 $n"
    n=$((n + 1))
    [ "$n" -gt 1 ] || sleep 5
    mkfifo /opt/ml/input/data/"$1_$n" || exit 1
  done
}
for channel; do feed "$channel" & done
wait
"""


@dataclass(frozen=True, kw_only=True)
class Piped:
    """A job with pipes. `fed`: channel and number of each FIFO that the job opened and closed."""

    channels: tuple[str, ...]
    run: Run
    fed: frozenset[tuple[str, int]]


def piped(work: Job, names: tuple[str, ...]) -> Job:
    """The job with some channels as pipes: no folder, and the FIFO of the first epoch."""
    return replace(
        work,
        channels=tuple(
            replace(each, path=None, absent=True, facts={**each.facts, "TrainingInputMode": "Pipe"})
            if each.name in names
            else each
            for each in work.channels
        ),
        fifos=tuple(f"input/data/{name}_0" for name in names),
    )


@observation("`train` with its channels as pipes", Purpose.TRAINING)
def through_pipes(bench: Bench) -> Piped:
    training_runs.needs_good(bench)
    work = training_job.of(bench.subject.samples)
    if why := lacks_channel(work):
        raise why
    names = tuple(each.name for each in work.channels)
    found = _train(bench, work, names)
    if not found.run.good and len(names) > 1:
        for name in names[:SINGLES]:
            single = _train(bench, work, (name,))
            if single.run.good:
                found = single
                break
    return found


def _train(bench: Bench, work: Job, names: tuple[str, ...]) -> Piped:
    """The job, and beside it a container of the same image that writes into the FIFOs."""
    with bench.engine.volume() as volume:
        feeder = Start(
            entrypoint=("/bin/sh", "-c", FEEDER, "feeder"),
            command=names,
            mounts=(Mount(volume=volume, path=training_job.ROOT),),
        )
        with (
            training_runs.laid_out(bench, piped(work, names), volume=volume) as trainer,
            bench.engine.container(bench.subject.image, feeder) as writer,
        ):
            writer.put("/", _feed([each for each in work.channels if each.name in names]))
            _begin(writer)
            run = training_runs.finish(bench, trainer)
            return Piped(channels=names, run=run, fed=fed(writer.logs()))


def _feed(channels: list[Channel]) -> Iterator[bytes]:
    """The files of each channel, each in a numbered folder to keep their order."""
    archive = Archive()
    archive.folder(DATA)
    for channel in channels:
        archive.folder(f"{DATA}/{channel.name}")
        files = training_job.files_of(channel.path) if channel.path else []
        for number, file in enumerate(files):
            archive.tree(f"{DATA}/{channel.name}/{number:06d}", file)
    return archive.chunks()


def _begin(writer: Container) -> None:
    refusal = writer.start()
    if refusal is not None:
        raise Unseen("a shell of the image is needed to feed the pipes", f": {refusal}")
    began = time.monotonic()
    while "ready" not in writer.logs() and time.monotonic() - began < READY_SECONDS:
        if writer.wait(0) is not None:
            break
        time.sleep(LOOK_SECONDS)
    if writer.wait(0) is not None or "ready" not in writer.logs():
        raise Unseen("the image has no `cat` and `mkfifo` to feed the pipes")


def fed(log: str) -> frozenset[tuple[str, int]]:
    words = (line.split() for line in log.splitlines())
    return frozenset(
        (found[1], int(found[2]))
        for found in words
        if len(found) == 3 and found[0] == "fed" and found[2].isdecimal()  # noqa: PLR2004
    )


@check("DATA-04", through_pipes)
def reads_pipes(seen: Piped) -> None:
    """`train` reads <channel>_0; the next pipe appears seconds after the last one was read."""
    asked = f"with Pipe mode for {', '.join(seen.channels)}"
    if not seen.run.good:
        read = ", ".join(f"{name}_{number}" for name, number in sorted(seen.fed)) or "none"
        raise Broken(f"{asked} `train` (which read {read}) {seen.run.evidence}")
    if not seen.fed:
        raise Broken(f"{asked} `train` ended with 0 but read no pipe{last_lines(seen.run.log)}")
