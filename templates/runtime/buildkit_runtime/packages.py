"""Install what the user's code needs: requirements.txt, and the code if it is a package."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

from buildkit_runtime.failure import JobFailure, compose
from buildkit_runtime.process import Stopper, run, stopped

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PIP = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input")


def install_requirements(folder: Path, variables: Mapping[str, str], stopper: Stopper) -> None:
    """Install the folder's `requirements.txt`, if there is one (TTK-03)."""
    if (folder / "requirements.txt").is_file():
        _pip(("-r", "requirements.txt"), folder, variables, stopper)


def install_package(folder: Path, variables: Mapping[str, str], stopper: Stopper) -> None:
    """Install the folder itself, with the image's own setuptools if possible.

    An isolated build downloads setuptools, which fails under network isolation (ISO-01).
    """
    local = not (folder / "pyproject.toml").is_file() and importlib.util.find_spec("setuptools")
    _pip(("--no-build-isolation", ".") if local else (".",), folder, variables, stopper)


def _pip(
    arguments: tuple[str, ...], folder: Path, variables: Mapping[str, str], stopper: Stopper
) -> None:
    # In a container, packages go into the system's Python, even if a package manager owns it.
    surroundings = {"PIP_BREAK_SYSTEM_PACKAGES": "1", "PIP_ROOT_USER_ACTION": "ignore", **variables}
    outcome = run((*_PIP, *arguments), folder, surroundings, stopper)
    if outcome.stopped_by is not None:
        raise stopped(outcome.stopped_by)
    if outcome.code != 0:
        summary = f"`pip install {' '.join(arguments)}` in {folder} exited {outcome.code}"
        raise JobFailure(compose(summary, outcome.stderr))
