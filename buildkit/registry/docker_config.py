"""Docker's config.json: the user's logins, and temporary copies with more of them."""

from __future__ import annotations

import json
import os
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildkit.model.login import Login
from buildkit.support import decode
from buildkit.support.errors import ToolError
from buildkit.system import tempdirs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FILE = "config.json"
BROKEN = (OSError, ValueError, TypeError, AttributeError, RecursionError)


@contextmanager
def beside(logins: Mapping[str, Login]) -> Iterator[Mapping[str, str]]:
    """A copy of the user's configuration with more logins, as environment variables.

    Contexts, plugins and builders are the user's own. Without logins, nothing changes.
    """
    if not logins:
        yield {}
        return
    own = _folder()
    document = _read(own)
    for host, login in logins.items():
        document.setdefault("auths", {})[host] = {"auth": login.basic}
        # Or docker would ask the user's credential store for this host.
        document.setdefault("credHelpers", {})[host] = ""
    with tempdirs.folder() as folder:
        if own.is_dir():
            for path in own.iterdir():
                if path.name != FILE:
                    (folder / path.name).symlink_to(path)
        descriptor = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file)
        builders = os.environ.get("BUILDX_CONFIG") or str(own / "buildx")
        yield {"DOCKER_CONFIG": str(folder), "BUILDX_CONFIG": builders}


def of(host: str) -> Login | None:
    """The user's login to a registry, from docker's configuration or its credential helpers.

    Raises ToolError if a helper fails, or the configuration is damaged.
    """
    file = _folder() / FILE
    if not file.exists():
        return None
    from docker import auth  # noqa: PLC0415 - docker-py loads slowly
    from docker.errors import DockerException  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the error below names a missing helper
            found = auth.load_config(str(file)).resolve_authconfig(host)
    except (*BROKEN, DockerException) as error:
        raise ToolError(
            f"docker's login to {host} cannot be read: {error}",
            hint=f"log in again: `docker login {host}`",
        ) from error
    if not found or not found.get("username"):
        return None
    return Login(user=found["username"], password=found["password"])


def lacking(hosts: Iterable[str]) -> tuple[str, ...]:
    """The hosts that the user has not logged in to with `docker login`."""
    document = _read(_folder())
    known = {*document.get("auths", {}), *document.get("credHelpers", {})}
    return tuple(host for host in hosts if not known & {host, f"https://{host}"})


def _folder() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker").absolute()


def _read(folder: Path) -> dict[str, Any]:
    path = folder / FILE
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        decode.read(dict[str, object], document)
        for key in ("auths", "credHelpers"):
            if document.setdefault(key, {}) is None:  # as docker reads it
                document[key] = {}
            decode.read(dict[str, object], document[key])
    except FileNotFoundError:
        return {}
    except BROKEN as error:
        raise ToolError(
            f"docker's configuration {path} cannot be read: {error}",
            hint="fix that file; `docker info` shows its problems",
        ) from error
    return document
