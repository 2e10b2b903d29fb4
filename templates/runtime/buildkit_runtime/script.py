"""The user's script: its name, its folder, and the command that runs it (TTK-02, TTK-03)."""

from __future__ import annotations

import enum
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from buildkit_runtime.failure import JobFailure
from buildkit_runtime.hyperparameters import Hyperparameters, as_text, decode

if TYPE_CHECKING:
    from collections.abc import Mapping

# The shell also runs a file without a `#!` line, and does not expand the arguments.
_EXECUTE = ("/bin/sh", "-c", 'exec "$0" "$@"')


class Kind(enum.Enum):
    PROGRAM = "program"
    PACKAGE = "package"
    COMMAND = "command"


@dataclass(frozen=True)
class Script:
    """The entry point, relative to the folder that it runs in."""

    name: str
    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / self.name

    @property
    def module(self) -> str:
        return self.name.removesuffix(".py")

    @property
    def kind(self) -> Kind:
        if self.name.endswith(".sh"):
            return Kind.COMMAND
        if (self.folder / "setup.py").is_file():
            return Kind.PACKAGE
        return Kind.PROGRAM if self.name.endswith(".py") else Kind.COMMAND

    def command(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        if self.kind is Kind.PROGRAM:
            return (sys.executable, self.name, *arguments)
        if self.kind is Kind.PACKAGE:
            return (sys.executable, "-m", self.module.replace("/", "."), *arguments)
        return (*_EXECUTE, f"./{self.name}", *arguments)


def find(variables: Mapping[str, str], hyperparameters: Hyperparameters, code: Path) -> Script:
    """The script of the variable, else of the hyperparameter; its file need not exist yet.

    An absolute path is a script of the image, which runs in its own folder.
    """
    given = variables.get("SAGEMAKER_PROGRAM") or hyperparameters.reserved_text("sagemaker_program")
    name = as_text(decode(given)).strip()
    if not name:
        raise JobFailure(
            "no training script given: set the environment variable SAGEMAKER_PROGRAM or the"
            f" hyperparameter `sagemaker_program` to its name, and put it in {code} or name its"
            " archive in the hyperparameter `sagemaker_submit_directory`"
        )
    path = PurePosixPath(name)
    if path.is_absolute():
        return Script(name=path.name, folder=Path(path.parent))
    if ".." in path.parts or name.startswith("-"):
        raise JobFailure(f"script name `{name}` must be a path inside {code}")
    return Script(name=str(path), folder=code)


def require(script: Script) -> None:
    """Raises JobFailure with a list of the folder if the script does not exist."""
    if script.path.is_file() or (script.kind is Kind.PACKAGE and script.path.is_dir()):
        return
    if not script.folder.is_dir():
        raise JobFailure(
            f"script `{script.name}` not found: the folder {script.folder} does not exist"
        )
    present = ", ".join(sorted(entry.name for entry in script.folder.iterdir())[:20])
    raise JobFailure(
        f"script `{script.name}` not found in {script.folder}; found: {present or 'nothing'}"
    )
