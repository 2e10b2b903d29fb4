"""`buildkit run … serve`: until Ctrl-C, or for one request."""

from __future__ import annotations

import base64
import json
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildkit.commands.samples import TYPES
from buildkit.contract.checks import Broken
from buildkit.contract.hosting import starting
from buildkit.contract.hosting.client import OK
from buildkit.contract.hosting.server import named, request_headers
from buildkit.model.target import Payload
from buildkit.run import image as images
from buildkit.run import page, relay, serving, training
from buildkit.support.errors import ContractError, Exit, UsageError
from buildkit.system import asking, console, stopping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit.commands.run_arguments import Arguments
    from buildkit.contract.hosting.client import Answer
    from buildkit.engine.engine import Engine
    from buildkit.run.image import Image
    from buildkit.run.serving import Model, Server

SERVE = serving.NAME
PORT = 8080


def model_of(arguments: Arguments, image: Image) -> Model:
    code = None if arguments.given.code is None else Path(image.samples.code or "")
    return serving.model_of(image, arguments.model, code)


def with_script(arguments: Arguments, image: Image) -> Image:
    """The image with the variables that SageMaker's SDK sets for the script in `--code`."""
    code = arguments.given.code
    script = images.script_of(code, image.samples.environment, "inference.py")
    if script is None:
        return image
    console.step(SERVE, f"{images.PROGRAM.upper()}={script}, the script in {code}")
    code_of = f"{starting.MODEL}/code"
    return image.with_variables(
        {images.PROGRAM.upper(): script, "SAGEMAKER_SUBMIT_DIRECTORY": code_of}
    )


def run(arguments: Arguments, docker: Engine, image: Image) -> Exit:
    model, image = model_of(arguments, image), with_script(arguments, image)
    how = training.How(gpus=arguments.gpus, isolated=arguments.network_isolation)
    if arguments.invoke is not None:
        payload = _payload(arguments, image, arguments.invoke)
        console.step(SERVE, f"model: {model.shown}")
        with serving.started(docker, image, model, how) as container:
            server = serving.healthy(container, image)
            return _answered(arguments, image, _ask(server, payload), payload)
    with ExitStack() as stack:
        door = stack.enter_context(relay.listening(arguments.port, PORT))
        console.step(SERVE, f"model: {model.shown}")
        container = stack.enter_context(serving.started(docker, image, model, how))
        asked = stack.enter_context(stopping.gently())
        server = serving.healthy(container, image, asked)
        if not asked.is_set():
            url = f"http://{relay.LOOPBACK}:{door.getsockname()[1]}"
            stack.enter_context(relay.between(door, server.address))
            shown = stack.enter_context(page.served(server, image)) if arguments.page else None
            at = {"url": url, "page": shown}
            _say(image, model, server, at, as_json=arguments.as_json)
        server.until_stopped(asked)
    return Exit.DONE


def _say(
    image: Image, model: Model, server: Server, at: Mapping[str, str | None], *, as_json: bool
) -> None:
    """Say where the server is, once it is healthy."""
    url, shown = str(at["url"]), at["page"]
    console.step(SERVE, f"healthy after {server.seconds:.1f} s", fg="green")
    facts = {
        "target": None if image.target is None else image.target.id,
        "image": image.name,
        "program": SERVE,
        **at,
        "model": None if model.path is None else str(model.path),
        "seconds": round(server.seconds, 3),
    }
    click.echo(json.dumps(facts, indent=2) if as_json else url)
    first = next(iter(image.samples.payloads), None)
    console.say(f"try: {serving.curl(url, first)}", fg="cyan")
    if shown is not None:
        console.say(f"page: {shown}", fg="cyan")
    console.say("Ctrl-C stops the server", dim=True)


def _payload(arguments: Arguments, image: Image, file: Path) -> Payload:
    """The request of `--invoke`. Raises UsageError if its content type is unknown."""
    body = str(file.resolve())
    given = arguments.content_type or TYPES.get(file.suffix.lower())
    sample = next((each for each in image.samples.payloads if each.body == body), None)
    if sample is not None and arguments.content_type in (None, sample.content_type):
        return replace(sample, accept=arguments.accept or sample.accept)
    if given is None:
        raise UsageError(
            f"the content type of {file} is not known", hint="add `--content-type TYPE`"
        )
    return Payload(content_type=given, body=body, accept=arguments.accept)


def _ask(server: Server, payload: Payload) -> Answer:
    """Raises ContractError without a whole answer in the time of SageMaker."""
    try:
        return server.client.ask(
            "POST",
            "/invocations",
            body=Path(payload.body).read_bytes(),
            headers=request_headers(payload),
        )
    except Broken as error:
        raise ContractError(str(error), hint="read the log of the server above") from error


def _answered(arguments: Arguments, image: Image, answer: Answer, payload: Payload) -> Exit:
    """Print an answer: its body as it is, or all of it as JSON."""
    if arguments.as_json:
        click.echo(json.dumps(document(image, answer), indent=2))
    elif asking.are_terminals(sys.stdout):  # which the body could command
        click.echo(answer.body.decode("utf-8", "replace"))
    elif sys.stdout is not None:  # as it is when closed
        sys.stdout.flush()
        sys.stdout.buffer.write(answer.body)
        sys.stdout.buffer.flush()
    line = f"POST /invocations ({named(payload)}) answered {answer.status}"
    line += f" {answer.content_type} after {1000 * answer.seconds:.0f} ms"
    if answer.status == OK:
        console.step(SERVE, line, fg="green")
        return Exit.DONE
    error = ContractError(line, hint="the answer above, and the log of the server, say why")
    console.fail(error.message, hint=error.hint)
    return Exit.CONTRACT


def document(image: Image, answer: Answer) -> dict[str, object]:
    """An answer as JSON. A body that is no text is encoded."""
    try:
        body, encoding = answer.body.decode(), "text"
    except UnicodeDecodeError:
        body, encoding = base64.b64encode(answer.body).decode(), "base64"
    return {
        "target": None if image.target is None else image.target.id,
        "image": image.name,
        "program": SERVE,
        "status": answer.status,
        "headers": dict(answer.headers),
        "body": body,
        "encoding": encoding,
        "seconds": round(answer.seconds, 4),
    }
