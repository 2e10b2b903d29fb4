"""The `docker` command, without a question to an engine: for `buildkit doctor`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from buildkit.support.errors import ToolError
from buildkit.system import shell

VERSION = re.compile(
    r"^(?P<name>[A-Za-z]+) version v?(?P<version>[0-9]+(?:\.[0-9]+)*)", re.MULTILINE
)
NAME = re.compile(r"^(?P<name>[A-Za-z]+) version ", re.MULTILINE)
"""Of a command whose version is no number."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """The command's own name, such as `Docker` or `podman`, and its version; else `why` not."""

    name: str = ""
    version: str = ""
    why: str = ""
    hint: str = ""


def look(seconds: float) -> Command:
    try:
        said = shell.limited("docker", "--version", seconds=seconds)
    except ToolError as error:
        return Command(why=error.message, hint=error.hint or "")
    text = said.stdout.decode(errors="replace")
    if found := VERSION.search(text):
        return Command(name=found["name"], version=found["version"])
    if said.code == 0 and (named := NAME.search(text)):
        return Command(name=named["name"])
    words = " ".join((text + said.stderr.decode(errors="replace")).split())[:120]
    return Command(
        why=f"`docker --version` ended with exit code {said.code}: {words}",
        hint="reinstall the `docker` command",
    )
