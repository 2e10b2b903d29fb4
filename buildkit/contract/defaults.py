"""The suite's own samples, for an image that declares none: a small table of numbers.

The label comes first and there is no header, as AWS's built-in algorithms and its examples of own
images expect. Most images are made for other data. An image that cannot use these samples
does not fail for that: it is tested without any.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract.checks import Unseen
from buildkit.contract.engine import Unfit
from buildkit.contract.jobs import endings, training_job, training_runs
from buildkit.contract.scenario import Bench
from buildkit.model.target import Payload, Samples

if TYPE_CHECKING:
    from buildkit.contract.engine import Engine
    from buildkit.contract.scenario import Subject

FOLDER = Path(__file__).with_name("samples")
CHANNELS = ("train", "training")


def lent(subject: Subject, engine: Engine) -> Subject:
    """A subject with the suite's own samples, as far as its image can use them.

    A subject that declares samples is returned unchanged. An image gets the table if it makes a
    model of it. Each server shows whether it answers a row as a request (`starting.served`).
    """
    if subject.samples.declared:
        return subject
    row = Payload(content_type="text/csv", body=str(FOLDER / "row.csv"))
    samples = Samples(payloads=(row,) if subject.purpose.serves else (), default=True)
    if not subject.purpose.trains:
        return replace(subject, samples=samples)
    table = str(FOLDER / "table")
    whole = replace(samples, channels=tuple((name, table) for name in CHANNELS))
    takes = _makes_a_model(replace(subject, samples=whole), engine)
    return replace(subject, samples=whole if takes else samples)


def _makes_a_model(subject: Subject, engine: Engine) -> bool:
    with ExitStack() as kept:
        bench = Bench(subject=subject, engine=engine, kept=kept)
        with suppress(Unseen, Unfit):  # the machine is too busy, or no container can be created
            run = training_runs.train(bench, training_job.of(subject.samples), then=endings.unfed)
            return run.good and run.has_model
    return False
