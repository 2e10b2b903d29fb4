"""`buildkit run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from buildkit.commands import complete, options, subjects
from buildkit.commands import samples as samples_of
from buildkit.commands.run_arguments import Arguments
from buildkit.support import suggest
from buildkit.support.errors import ToolError, UsageError

if TYPE_CHECKING:
    from buildkit.engine.engine import Engine
    from buildkit.run.image import Image

TRAIN, SERVE = "train", "serve"
ONLY = {
    TRAIN: ("channel", "hyperparameter", "hosts"),
    SERVE: ("model", "port", "invoke", "content_type", "accept", "page"),
}
"""The options that only one of the programs has."""


@click.command(
    epilog="\b\nExamples:\n"
    "  buildkit run sklearn-1.7.2-cpu-py311 train\n"
    "  buildkit run sklearn-1.7.2-cpu-py311 train --channel training=data \\\n"
    "    --hyperparameter n-estimators=200 --code src\n"
    "  buildkit run sklearn-1.7.2-cpu-py311 serve\n"
    "  buildkit run sklearn-1.7.2-cpu-py311 serve --invoke request.csv --content-type text/csv\n"
    "  buildkit run my-image:latest serve --model model.tar.gz --port 9000"
)
@click.argument(
    "select",
    metavar="TARGET|IMAGE",
    shell_complete=complete.targets,
    callback=lambda _context, _parameter, word: (word,),
)
@click.argument("program", metavar="train|serve", type=click.Choice([TRAIN, SERVE]))
@options.READ
@options.DIST
@samples_of.OF_A_RUN
@click.option(
    "--model",
    type=options.PathType(),
    help="Serve this folder or model.tar.gz.  [default: the model of the last `train`, else that "
    "of the test, else that of the samples]",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Serve on this port of 127.0.0.1.  [default: 8080, or a free one if that is taken]",
)
@click.option(
    "--invoke",
    metavar="FILE",
    type=options.PathType(exists=True, dir_okay=False),
    help="Send this file to POST /invocations, print the answer, and end.",
)
@click.option(
    "--content-type",
    metavar="TYPE",
    help="Send --invoke as this type.  [default: that of the file extension]",
)
@click.option("--accept", metavar="TYPE", help="Ask for an answer of this type to --invoke.")
@options.flag("--page", "Open a web page on another port, to send payloads from a browser.")
@click.option(
    "--hosts",
    type=click.IntRange(1, 8),
    default=1,
    show_default=True,
    help="Train on this number of hosts, which are containers on one network.",
)
@options.flag("--shell", "Start a shell instead, in the same surroundings.")
@options.flag("--gpus", "Give all GPUs of the engine to the container, also unasked.")
@options.flag(
    "--network-isolation", "Give the containers no network, as EnableNetworkIsolation does."
)
@options.JSON
def command(**values: Any) -> int:
    """Train or serve with one image on this machine, as SageMaker does.

    TARGET is a target that is built, IMAGE any image of the engine. `train` uses the samples of
    the target, with the given options on top, and keeps the model in dist/runs. `serve` serves that
    model, or else the one of the test, until Ctrl-C. Ctrl-C stops either as SageMaker does:
    SIGTERM, and SIGKILL if that does not help.
    """
    arguments = Arguments(**values)
    _refuse(arguments)
    from buildkit.commands import run_serve, run_shell, run_train  # noqa: PLC0415 - not for `--help`
    from buildkit.engine import engine  # noqa: PLC0415 - as above
    from buildkit.run import image as images  # noqa: PLC0415 - as above

    with engine.connect(disk=images.DISK, memory_share=images.MEMORY_SHARE) as docker:
        if arguments.gpus and not docker.gpus:
            raise ToolError(
                "the engine has no GPUs to give: it lacks NVIDIA's runtime",
                hint="install NVIDIA's container toolkit, or leave out `--gpus`",
            )
        image = _image(arguments, docker)
        images.need(image, arguments.program)
        with images.explained(arguments.program):
            if arguments.shell:
                return run_shell.run(arguments, docker, image)
            if arguments.program == TRAIN:
                return run_train.run(arguments, docker, image)
            return run_serve.run(arguments, docker, image)


def _refuse(arguments: Arguments) -> None:
    """Raise UsageError for an option of the other program."""
    (other,) = {TRAIN, SERVE} - {arguments.program}
    if given := [each for each in ONLY[other] if options.is_given(each)]:
        name = given[0].replace("_", "-")
        raise UsageError(
            f"`--{name}` is an option of `{other}`, not of `{arguments.program}`",
            hint="`buildkit run --help`",
        )
    if arguments.shell and (arguments.as_json or arguments.invoke or arguments.page):
        raise UsageError(
            "`--shell` excludes `--json`, `--invoke` and `--page`", hint="leave one out"
        )
    if arguments.shell and (arguments.hosts > 1 or arguments.port is not None):
        raise UsageError("`--shell` excludes `--hosts` and `--port`", hint="leave one out")
    if arguments.invoke is not None and (arguments.page or arguments.port is not None):
        raise UsageError("`--invoke` excludes `--page` and `--port`", hint="leave one out")
    if arguments.invoke is None and (arguments.content_type or arguments.accept):
        raise UsageError(
            "`--content-type` and `--accept` need a file to send", hint="add `--invoke FILE`"
        )
    for name in ("content_type", "accept"):
        value = getattr(arguments, name)
        if value is not None and not (value.isascii() and value.isprintable() and value.strip()):
            raise UsageError(
                f"`--{name.replace('_', '-')}` is no value of a header: {value!r}",
                hint="pass a media type, such as `text/csv`",
            )


def _image(arguments: Arguments, docker: Engine) -> Image:
    """The image that is named, with the given samples on top of its own."""
    from buildkit.run import image as images  # noqa: PLC0415 - as above

    scope = arguments.scope
    project = scope.project() if options.is_given("file") or scope.file.exists() else None
    targets = () if project is None else subjects.targets(project, scope)
    if len(targets) > 1:
        raise UsageError(
            f"`{scope.select[0]}` matches {len(targets)} targets, and `run` takes one",
            hint=suggest.listed("name one of", [each.id for each in targets]),
        )
    if project is not None and targets:
        image = images.of_target(project, targets[0], docker)
    else:
        name = subjects.image(scope.select, None if project else scope.file, "run")
        image = images.of_image(project, name, docker, scope.dist or Path.cwd() / "dist")
    if not arguments.given:
        return image
    return image.with_samples(samples_of.on_top(arguments.given, image.samples, Path.cwd()))
