"""A shell in the container of `train` or `serve`, with everything that the program would have."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from buildkit.contract import engine as contract
from buildkit.support.errors import ContractError
from buildkit.system import asking, console, shell

if TYPE_CHECKING:
    from buildkit.contract.engine import Start
    from buildkit.engine.containers import Container
    from buildkit.engine.engine import Engine
    from buildkit.run.image import Image

BEST = "command -v bash >/dev/null 2>&1 && exec bash; exec sh"
"""Most images have bash; some only have another shell."""


def instead_of(start: Start) -> Start:
    """The same start with a shell. Without a terminal, the shell reads commands from the input."""
    return replace(
        start,
        entrypoint=("/bin/sh",),
        command=("-c", BEST),
        terminal=asking.are_terminals(sys.stdin, sys.stdout),
        input=True,
    )


def attach(container: Container, engine: Engine, image: Image, program: str) -> int:
    """Give the terminal to the shell until it ends. Returns its exit code.

    Raises ContractError if there is none.
    """
    words = " ".join((*engine.view(image.reference).entrypoint, program))
    console.say(f"this is the container of `{program}`; SageMaker would start `{words}`", fg="cyan")
    console.say("nothing is kept; `exit` removes the container", dim=True)
    code = shell.attached("docker", "start", "--attach", "--interactive", container.id)
    if container.wait(0) in contract.MISSING and not container.lines():
        raise ContractError(
            f"{image.name} has no shell: `/bin/sh` cannot be started",
            hint="build a stage that has one, or look into the image with `docker export`",
        )
    return code
