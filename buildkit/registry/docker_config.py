"""Docker configurations that hold logins: private folders that end with the work under them."""

from __future__ import annotations

import base64
import json
import os
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docker import auth
from docker.errors import DockerException

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
    """The user's own configuration with some logins more, as an environment that leads there.

    Contexts, plugins and builders are the user's. Without a login nothing changes.
    """
    if not logins:
        yield {}
        return
    own = _folder()
    document = _read(own)
    for host, login in logins.items():
        document.setdefault("auths", {})[host] = _entry(login)
        # Or docker would ask the user's store of credentials, for this host too.
        document.setdefault("credHelpers", {})[host] = ""
    with tempdirs.folder() as folder:
        if own.is_dir():
            for path in own.iterdir():
                if path.name != FILE:
                    (folder / path.name).symlink_to(path)
        _write(folder, document)
        builders = os.environ.get("BUILDX_CONFIG") or str(own / "buildx")
        yield {"DOCKER_CONFIG": str(folder), "BUILDX_CONFIG": builders}


def of(host: str) -> Login | None:
    """The user's own login to a registry, from docker's configuration or its credential helpers.

    Raises ToolError if a helper fails, or the configuration is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a helper that is missing: the error says so
            found = auth.load_config(str(_folder() / FILE)).resolve_authconfig(host)
    except (*BROKEN, DockerException) as error:
        raise ToolError(
            f"docker's login to {host} cannot be had: {error}", hint=f"`docker login {host}`"
        ) from error
    if not found or not found.get("username"):
        return None
    return Login(user=found["username"], password=found["password"])


def lacking(hosts: Iterable[str]) -> tuple[str, ...]:
    """Those that the user has not logged in to with docker."""
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
            if document.setdefault(key, {}) is None:  # as docker takes it
                document[key] = {}
            decode.read(dict[str, object], document[key])
    except FileNotFoundError:
        return {}
    except BROKEN as error:
        raise ToolError(
            f"{path} cannot be read: {error}", hint="it is docker's own: `docker info` tells"
        ) from error
    return document


def _entry(login: Login) -> dict[str, str]:
    secret = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
    return {"auth": secret}


def _write(folder: Path, document: Mapping[str, Any]) -> None:
    descriptor = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file)
