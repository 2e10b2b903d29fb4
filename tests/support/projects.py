"""Small projects for tests: an images.toml with what it names, in a folder."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

from buildkit.config import images_toml
from buildkit.matrix import matrix
from buildkit.model import families

if TYPE_CHECKING:
    from buildkit.model.target import Target

MINIMAL = """
[image.demo]
versions = ["1.0"]
base = "python:{python}-slim"
"""


def parse(text: str, folder: Path = Path("/nowhere")) -> images_toml.Config:
    return images_toml.parse(dedent(text), folder / "images.toml")


def targets(text: str = MINIMAL, folder: Path = Path("/nowhere")) -> tuple[Target, ...]:
    return matrix.expand(parse(text, folder))


def target(text: str = MINIMAL, folder: Path = Path("/nowhere")) -> Target:
    (only,) = targets(text, folder)
    return only


def aliases_of(target: Target) -> tuple[str, ...]:
    return families.aliases_of(target.family, target.version)


def programs(folder: Path) -> None:
    """A context of the template `basic`."""
    folder.mkdir()
    for word in ("train", "serve"):
        (folder / word).write_text("#!/bin/sh\n")
        (folder / word).chmod(0o755)
