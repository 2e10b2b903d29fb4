"""The buildx plugin and its builder, as they describe themselves: for `buildkit doctor`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from buildkit.support.errors import ToolError
from buildkit.system import shell

VERSION = re.compile(r"buildx\s+v?(?P<version>[0-9]+\.[0-9]+(?:\.[0-9]+)?)")
FIELD = re.compile(
    r"^\s*(?P<key>Driver|Platforms|BuildKit(?: version)?):\s*(?P<value>.+?)\s*$", re.MULTILINE
)


@dataclass(frozen=True, kw_only=True)
class Buildx:
    """The version of the plugin, empty for one that is no number; else `why` there is none."""

    version: str = ""
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Builder:
    """A builder: its driver, the version of its BuildKit, its platforms; else `why` it is none."""

    name: str
    driver: str = ""
    version: str = ""
    platforms: tuple[str, ...] = ()
    why: str = ""


def look(seconds: float) -> Buildx:
    try:
        said = shell.limited("docker", "buildx", "version", seconds=seconds)
    except ToolError as error:
        return Buildx(why=error.message)
    if found := VERSION.search(said.stdout.decode(errors="replace")):
        return Buildx(version=found["version"])
    if said.code == 0:
        return Buildx()
    return Buildx(why=_words(said) or f"`docker buildx version` ended with exit code {said.code}")


def look_at(name: str, seconds: float) -> Builder:
    """The builder that runs of buildkit use. Docker starts nothing for it."""
    try:
        said = shell.limited("docker", "buildx", "inspect", name, seconds=seconds)
    except ToolError as error:
        return Builder(name=name, why=error.message)
    text = said.stdout.decode(errors="replace")
    fields = {found["key"].partition(" ")[0]: found["value"] for found in FIELD.finditer(text)}
    if said.code != 0 or "Driver" not in fields:
        return Builder(name=name, why=_words(said) or f"exit code {said.code}")
    platforms = (each.strip(" *") for each in fields.get("Platforms", "").split(","))
    return Builder(
        name=name,
        driver=fields["Driver"],
        version=fields.get("BuildKit", "").removeprefix("v"),
        platforms=tuple(filter(None, platforms)),
    )


def _words(said: shell.Said) -> str:
    """The first line that a command has printed."""
    lines = (said.stderr or said.stdout).decode(errors="replace").strip().splitlines()
    return lines[0].strip()[:200] if lines else ""
