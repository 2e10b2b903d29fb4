"""Base images in a registry, as users have them."""

from __future__ import annotations

import base64
import json
import shutil
from typing import TYPE_CHECKING

from buildkit.config import substitution

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.real import Local

PYTHON = "python:3.11-slim-bookworm"


def docker_folder(there: Local, folder: Path, host: str, password: str) -> str:
    """The engine's docker configuration, with a login."""
    shutil.copytree(there.env["DOCKER_CONFIG"], folder, symlinks=True)
    file = folder / "config.json"
    document = json.loads(file.read_text()) if file.exists() else {}
    secret = base64.b64encode(f"AWS:{password}".encode()).decode()
    file.write_text(json.dumps({**document, "auths": {host: {"auth": secret}}}))
    return str(folder)


def publish(there: Local, tmp_path: Path, name: str, made: str = "1") -> None:
    """An image that only the registry has, with a label by which one knows it again.

    What is `made` otherwise has another digest.
    """
    rules = substitution.parse(there.env.get("BUILDKIT_SUBSTITUTE", "").split())
    python = substitution.substitute(PYTHON, rules) or PYTHON
    file = tmp_path / "Dockerfile"
    file.write_text(f"FROM {python}\nLABEL test.published-as={name} test.made={made}\n")
    there.docker(
        "build", "--quiet", "--provenance=false", "--tag", name, "--file", str(file), str(tmp_path)
    )
    host = name.partition("/")[0]
    _, password = there.login()
    config = docker_folder(there, tmp_path / "publisher", host, password)
    there.docker("--config", config, "push", "--quiet", name)
    there.docker("image", "rm", name)


def label(there: Local, image: str) -> str:
    return there.docker(
        "image", "inspect", "--format", '{{index .Config.Labels "test.published-as"}}', image
    )
