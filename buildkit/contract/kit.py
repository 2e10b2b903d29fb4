"""Run the suite on one image: start what has to be started, then judge what was seen."""

from __future__ import annotations

import posixpath
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract import clause, image, job, serving, training
from buildkit.contract.client import HttpClient
from buildkit.contract.world import Mount

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildkit.contract.world import Container, Engine
    from buildkit.model import ClauseResult, Purpose, Samples

PORT = 8080
LINKS = 5
TRAINING_SECONDS = 600
"""How long `train` may take on samples."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An image, by whatever reference the engine knows, and what it is tested with."""

    image: str
    architecture: str
    purpose: Purpose
    samples: Samples


def run(subject: Subject, engine: Engine) -> tuple[ClauseResult, ...]:
    """Every clause of the smoke profile that the image's purpose calls for."""
    results = clause.judge(image.CLAUSES, _still(subject, engine))
    model = _sample_model(subject.samples)
    if subject.purpose.trains:
        seen = _train(subject, engine)
        results += clause.judge(training.CLAUSES, seen)
        if subject.purpose.serves and seen.good.exit_code != 0:
            why = "training failed, so there is no model to serve"
            results += clause.skip(serving.CLAUSES, why) + clause.skip(serving.STOP_CLAUSES, why)
            return tuple(results)
        model = seen.good.model
    if subject.purpose.serves:
        results += _serve(subject, engine, model)
    return tuple(results)


def _still(subject: Subject, engine: Engine) -> image.StillImage:
    with engine.container(subject.image, ["train"]) as container:
        return image.StillImage(
            view=engine.view(subject.image),
            architecture=subject.architecture,
            shell=_program(container, "/bin/sh"),
            opt_ml=container.get("/opt/ml"),
        )


def _program(container: Container, path: str) -> bytes | None:
    """A program of the image, through its links; None if it is not there."""
    for _ in range(LINKS):
        archive = container.get(path)
        if archive is None:
            return None
        if (link := job.link(archive)) is None:
            return job.only_file(archive)
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
    return None


def _sample_model(samples: Samples) -> bytes | None:
    return None if samples.model is None else job.model_archive(Path(samples.model))


def _train(subject: Subject, engine: Engine) -> training.Training:
    """The three runs do not meet: each has its own container and its own `/opt/ml`."""
    channels = subject.samples.channels
    with ThreadPoolExecutor(max_workers=3) as pool:
        good = pool.submit(_job, subject, engine, channels)
        failed = pool.submit(_job, subject, engine, ()) if channels else None
        stopped = pool.submit(_job, subject, engine, channels, stop=True)
        return training.Training(
            good=good.result(),
            failed=None if failed is None else failed.result(),
            stopped=stopped.result(),
        )


def _job(
    subject: Subject,
    engine: Engine,
    channels: Iterable[tuple[str, str]],
    *,
    stop: bool = False,
) -> training.Run:
    tree = job.training_tree(subject.samples, channels)
    with (
        engine.volume() as volume,
        engine.container(
            subject.image,
            ["train"],
            mounts=[Mount(volume=volume, path="/opt/ml")],
            environment=job.ENVIRONMENT,
            hostname=job.HOST,
        ) as container,
    ):
        container.put("/opt/ml", tree)
        began = time.monotonic()
        refusal = container.start()
        if refusal is not None:
            exit_code = None
        elif stop:
            _wait_for_a_sign_of_life(container)
            began = time.monotonic()
            exit_code = container.stop(training.STOP_SECONDS)
        else:
            exit_code = container.wait(TRAINING_SECONDS)
        model = container.get("/opt/ml/model") if refusal is None else None
        failure = container.get("/opt/ml/output/failure") if refusal is None else None
        return training.Run(
            refusal=refusal,
            exit_code=exit_code,
            seconds=time.monotonic() - began,
            log=container.logs(),
            model=model,
            model_files=() if model is None else job.files(model),
            failure=None if failure is None else job.only_file(failure),
        )


def _wait_for_a_sign_of_life(container: Container) -> None:
    """Let the program get going before it is stopped: until it prints, a second at most."""
    began = time.monotonic()
    while time.monotonic() - began < 1 and not container.logs():
        time.sleep(0.1)


def _serve(subject: Subject, engine: Engine, model: bytes | None) -> list[ClauseResult]:
    with engine.volume() as volume:
        if model is not None:
            # A read-only mount cannot be filled: a container that never starts fills it.
            filling = Mount(volume=volume, path="/opt/ml/model")
            with engine.container(subject.image, ["serve"], mounts=[filling]) as container:
                container.put("/opt/ml", model)
        read_only = Mount(volume=volume, path="/opt/ml/model", read_only=True)
        with engine.container(subject.image, ["serve"], mounts=[read_only], port=PORT) as container:
            return _ask(subject, container)


def _ask(subject: Subject, container: Container) -> list[ClauseResult]:
    refusal = container.start()
    host, port = container.address(PORT) if refusal is None else ("", 0)
    client = HttpClient(host=host, port=port)
    healthy_after = None
    if refusal is None:
        healthy_after = client.wait_for_health(
            serving.START_SECONDS, lambda: container.wait(0) is None
        )
    seen = serving.Serving(
        refusal=refusal,
        healthy_after=healthy_after,
        exit_code=None if refusal is not None else container.wait(0),
        log=container.logs(),
        client=client,
        payloads=subject.samples.payloads,
    )
    results = clause.judge(serving.CLAUSES, seen)
    if healthy_after is None:
        return results + clause.skip(serving.STOP_CLAUSES, "the server never became healthy")
    began = time.monotonic()
    exit_code = container.stop(serving.STOP_SECONDS)
    stop = serving.ServingStop(
        exit_code=exit_code, seconds=time.monotonic() - began, log=container.logs()
    )
    return results + clause.judge(serving.STOP_CLAUSES, stop)
