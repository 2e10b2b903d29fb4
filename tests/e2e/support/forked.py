"""The command line as a process that begins with its modules loaded: a fork of one that has them.

Loading them takes most of the processor time of a short command, and tests run hundreds. How a shell
starts the command is tested where `Local.start` or `BUILDKIT` is used.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from pkgutil import walk_packages
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from buildkit import __main__ as tool
from buildkit import contract
from tests.e2e.support.running import Result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.context import ForkServerContext

LOADED = (
    "__main__", "buildkit.cli", "buildkit.commands.build", "buildkit.commands.push",
    "buildkit.commands.test", "buildkit.build.images", "buildkit.publish.connect",
    "buildkit.publish.packing", "buildkit.ecr.repositories", "boto3", "pydantic", __name__,
)  # fmt: skip
"""What most commands load; a command loads the rest itself."""


@cache
def server() -> ForkServerContext:
    """What starts the processes. It has loaded the modules, and runs no other code of ours."""
    found = get_context("forkserver")
    checks = walk_packages(contract.__path__, f"{contract.__name__}.")
    found.set_forkserver_preload([*LOADED, *(each.name for each in checks)])
    return found


def run(arguments: Sequence[str], folder: Path, env: Mapping[str, str], seconds: float) -> Result:
    """Run a command line to its end. One that hangs is killed, and the test fails."""
    with TemporaryDirectory() as said:
        process = server().Process(
            target=_begin, args=(tuple(arguments), str(folder), dict(env), said)
        )
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
        code = process.exitcode
        process.close()
        stdout, stderr = ((Path(said) / name).read_text() for name in ("stdout", "stderr"))
    assert code is not None
    assert code >= 0, f"it has not ended, or was killed:\n{stderr}"
    return Result(code=code, stdout=stdout, stderr=stderr)


def _begin(arguments: tuple[str, ...], folder: str, env: dict[str, str], said: str) -> None:
    """Become the process that a shell would have started."""
    new = os.O_WRONLY | os.O_CREAT
    streams = ((os.devnull, os.O_RDONLY), (f"{said}/stdout", new), (f"{said}/stderr", new))
    for number, (path, mode) in enumerate(streams):
        opened = os.open(path, mode)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    sys.argv = [tool.__name__, *arguments]
    tool.main()
