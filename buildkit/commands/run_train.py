"""`buildkit run … train`: what it says, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from buildkit.run import image as images
from buildkit.run import training
from buildkit.support.errors import ContractError, Exit
from buildkit.system import console

if TYPE_CHECKING:
    from buildkit.commands.run_arguments import Arguments
    from buildkit.engine.engine import Engine
    from buildkit.run.image import Image
    from buildkit.run.training import Trained

TRAIN = "train"


def how(arguments: Arguments) -> training.How:
    return training.How(
        hosts=arguments.hosts, gpus=arguments.gpus, isolated=arguments.network_isolation
    )


def run(arguments: Arguments, docker: Engine, image: Image) -> Exit:
    image = with_script(image)
    for line in training.described(image):
        console.step(TRAIN, line)
    done = training.train(docker, image, how(arguments))
    if arguments.as_json:
        click.echo(json.dumps(document(image, done), indent=2))
    elif done.kept is not None and done.kept.model is not None:
        click.echo(images.near(done.kept.model))
    return _failed(image, done) if done.failed else _ended(image, done)


def with_script(image: Image) -> Image:
    """The image with the script of `--code` named, if the folder leaves no choice."""
    samples = image.samples
    given = (*samples.hyperparameters, *samples.environment)
    if (script := images.script_of(samples.code, given, "train.py")) is None:
        return image
    console.step(TRAIN, f"{images.PROGRAM}={script}, the script in {image.samples.code}")
    return image.with_hyperparameter(images.PROGRAM, script)


def document(image: Image, done: Trained) -> dict[str, object]:
    kept = done.kept
    paths = None if kept is None else (kept.model, kept.output)
    model, output = (None if each is None else str(each) for each in paths or (None, None))
    return {
        "target": None if image.target is None else image.target.id,
        "image": image.name,
        "program": TRAIN,
        "exit_code": done.exit_code,
        "seconds": round(done.seconds, 3),
        "stopped": done.stopped,
        "killed": done.killed,
        "failure": done.reason or None,
        "model": model,
        "output": output,
    }


def _failed(image: Image, done: Trained) -> Exit:
    error = ContractError(
        f"`train` {done.outcome} after {done.seconds:.1f} s"
        f"{done.reason and f'; the reason in /opt/ml/output/failure: {done.reason}'}",
        hint=f"read the log above; `buildkit run {image.name} train --shell` opens a shell in the "
        "same surroundings",
    )
    console.fail(error.message, hint=error.hint)
    return error.code


def _ended(image: Image, done: Trained) -> Exit:
    kept, ended = done.kept, f"{done.outcome} after {done.seconds:.1f} s"
    if kept is None or kept.model is None:
        console.step(TRAIN, f"{ended}, without a model", fg="yellow")
    else:
        console.step(TRAIN, ended, fg="green")
        console.step(TRAIN, f"the model, unpacked: {images.near(kept.folder / 'model')}")
        if image.purpose.serves:
            named = f" --model {images.near(kept.model)}" if done.stopped else ""
            console.say(
                f"hint: serve the model with `buildkit run {image.name} serve{named}`", fg="cyan"
            )
    if done.stopped:
        console.say("stopped before its end", fg="red")
        return Exit.INTERRUPTED
    return Exit.DONE
