"""The purpose of an image, detected from what it can start."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.contract import machine
from buildkit.contract.engine import Start, Unfit, never_ran
from buildkit.contract.hosting.client import Health, HttpClient
from buildkit.contract.hosting.starting import PORT
from buildkit.contract.image import files
from buildkit.contract.jobs import training_job, training_runs
from buildkit.contract.scenario import Bench, Subject
from buildkit.model.features import Feature
from buildkit.model.target import Purpose, Samples

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from buildkit.contract.engine import Engine

SECONDS = 10
ASK_SECONDS = 1
"""Between two look-ups of the address of the container."""
NONSENSE = "no-such-word"
WORDS = ("train", "serve")


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """The effect of a start word: an exit code or none yet, a log, HTTP answers on 8080."""

    refused: bool
    exit_code: int | None
    log: str
    answers: bool


def purpose(
    image: str, engine: Engine, features: Collection[Feature], variables: Mapping[str, str]
) -> Purpose | None:
    """The purpose, by what `docker run IMAGE train` and `serve` do within 10 s; None if unknown.

    Without an entrypoint the image knows a word if it is a program on its PATH. With one, the image
    knows a word that has another effect than a nonsense word. An image that knows neither is for
    processing if it promises that.
    """
    try:
        trains, serves = _starts(image, engine, variables)
    except Unfit:  # no container can be created: RUN-01 and RUN-02 report that
        return None
    if not trains and not serves:
        promises = {Feature.PROCESSING, Feature.MODEL_MONITOR} & set(features)
        return Purpose.PROCESSING if promises else None
    if trains and serves:
        return Purpose.BOTH
    return Purpose.TRAINING if trains else Purpose.INFERENCE


def _starts(image: str, engine: Engine, variables: Mapping[str, str]) -> tuple[bool, bool]:
    """Whether the image knows the word `train`, and the word `serve`."""
    found = held(image, engine)
    trains, serves = (word in found for word in WORDS)
    if engine.view(image).entrypoint:
        with ThreadPoolExecutor(max_workers=3) as pool:
            train, serve, nonsense = pool.map(
                lambda word: _react(image, engine, word, variables), ("train", "serve", NONSENSE)
            )
        serves = serve.answers or (serves and not _same(serve, nonsense))
        trains = not train.answers and not _same(train, nonsense)
    return trains, serves


def held(image: str, engine: Engine) -> tuple[str, ...]:
    """The start words that are programs on the PATH of the image. Raises Unfit."""
    environment = engine.view(image).environment
    with engine.container(image, Start(command=("train",))) as container:
        return tuple(word for word in WORDS if files.on_path(container, environment, word))


def _react(image: str, engine: Engine, word: str, variables: Mapping[str, str]) -> Reaction:
    """Start the image with a word, on the `/opt/ml` of a job without samples."""
    subject = Subject(image=image, architecture="", purpose=Purpose.BOTH, samples=Samples())
    start = Start(command=(word,), ports=(PORT,), environment=variables)
    with ExitStack() as kept:
        bench = Bench(subject=subject, engine=engine, kept=kept)
        container = kept.enter_context(
            training_runs.laid_out(bench, training_job.of(Samples()), start=start)
        )
        if container.start() is not None:
            return Reaction(refused=True, exit_code=None, log="", answers=False)
        health = Health(after=None, last=None)
        limit = machine.of(bench).limit(container, SECONDS)
        while container.wait(0) is None and not limit.expired():
            host, port = container.address(PORT)
            client = HttpClient(host=host, port=port)
            health = client.wait_for_health(ASK_SECONDS, lambda: container.wait(0) is None)
            if health.last is not None:
                break
        return Reaction(
            refused=False,
            exit_code=container.wait(0),
            log=container.logs(),
            answers=health.last is not None,
        )


def _same(reaction: Reaction, nonsense: Reaction) -> bool:
    """Whether a word had the effect of a nonsense word."""
    if reaction.refused or never_ran(reaction.exit_code, reaction.log):
        return True
    return (reaction.exit_code, reaction.answers) == (nonsense.exit_code, nonsense.answers) and (
        _words(reaction.log) == _words(nonsense.log)
    )


def _words(log: str) -> list[str]:
    """A log without the start word itself, and without what changes from run to run."""
    kept = (word for word in log.split() if not any(c.isdigit() for c in word))
    return [word for word in kept if not {"train", "serve", NONSENSE} & {word.strip("'\"`:,.")}]
