"""`buildkit run … --shell`."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from buildkit.commands import run_serve, run_train
from buildkit.contract.hosting import starting
from buildkit.contract.jobs import training_runs
from buildkit.run import serving, shell, training

if TYPE_CHECKING:
    from buildkit.commands.run_arguments import Arguments
    from buildkit.engine.engine import Engine
    from buildkit.run.image import Image


def run(arguments: Arguments, docker: Engine, image: Image) -> int:
    how = run_train.how(arguments)
    with ExitStack() as stack:
        if arguments.program == run_train.TRAIN:
            image = run_train.with_script(image)
            (work, *_) = training.hosts(image, 1, training.job_name(image.name, time.time()))
            start = shell.instead_of(training_runs.TRAIN)
            (container,) = training.prepared(
                stack, docker, image, how, (work,), start=start
            ).values()
        else:
            start = shell.instead_of(starting.SERVE)
            model = run_serve.model_of(arguments, image)
            image = run_serve.with_script(arguments, image)
            container = stack.enter_context(serving.laid_out(docker, image, model, how, start))
        return shell.attach(container, docker, image, arguments.program)
