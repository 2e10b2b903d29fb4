"""Docker's config.json: the user's logins, and temporary copies with more of them."""

from __future__ import annotations

import base64
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildkit.model.login import Login
from buildkit.registry import credential_helpers
from buildkit.support import decode
from buildkit.support.errors import ToolError
from buildkit.system import tempdirs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FILE = "config.json"
HUB, HUB_ADDRESS = "docker.io", "https://index.docker.io/v1/"
"""Docker Hub, and the address that docker and credential helpers know it by."""
HUB_TOKENS = (f"{HUB_ADDRESS}access-token", f"{HUB_ADDRESS}refresh-token")
"""What `docker login` without a password stores beside the login to Docker Hub."""
BROKEN = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


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
    """The user's login to a registry, from a credential helper or else docker's configuration.

    An identity token is none: only docker can use it. Raises ToolError if the helper fails, or the
    configuration is damaged.
    """
    document = _read(_folder())
    address = HUB_ADDRESS if host == HUB else host
    try:
        helper, named_by = _helper(document, host, address)
        found = credential_helpers.login(helper, address, named_by) if helper else None
        return found or _of_file(document.get("auths", {}), host, address)
    except BROKEN as error:
        raise ToolError(
            f"docker's login to {host} cannot be read: {error}",
            hint=f"log in again: `docker login {host}`",
        ) from error


def _helper(document: Mapping[str, Any], host: str, address: str) -> tuple[str, str]:
    """The credential helper of a host, "" for none, and the key that names it."""
    helpers = document.get("credHelpers", {})
    key = next((key for key in (address, host) if key in helpers), None)
    named_by = "credsStore" if key is None else "credHelpers"
    helper = document.get("credsStore") if key is None else helpers[key]
    if helper is not None and not isinstance(helper, str):
        raise TypeError(f"its `{named_by}` is not text")
    return helper or "", named_by


def _of_file(entries: Mapping[str, Any], host: str, address: str) -> Login | None:
    """The login among the entries of `auths`: under its address, or another one of the host."""
    others = (key for key in entries if _host(key) == host and key not in HUB_TOKENS)
    entry: Any = next((entries[key] for key in (address, host, *others) if entries.get(key)), {})
    if entry.get("identitytoken"):
        return None
    if not entry.get("auth"):
        user, password = entry.get("username"), entry.get("password")
        if not user or not password:
            return None
        return Login(user=_text(entry, "username"), password=_text(entry, "password"))
    packed = "".join(_text(entry, "auth").splitlines())  # docker skips line ends, too
    text = base64.b64decode(packed, validate=True).decode()
    user, colon, password = text.partition(":")
    if not colon:
        raise ValueError("its `auth` is not a user and a password")
    return Login(user=user, password=password.strip("\0"))  # as docker reads it


def _text(document: Mapping[str, Any], key: str) -> str:
    """The text under a key. It may be secret: no error shows it."""
    text = document[key]
    if not isinstance(text, str):
        raise TypeError(f"its `{key}` is not text")
    return text


def _host(key: str) -> str:
    name = key.removeprefix("https://").removeprefix("http://").partition("/")[0]
    return HUB if name == f"index.{HUB}" else name


def lacking(hosts: Iterable[str]) -> tuple[str, ...]:
    """The hosts that the user has not logged in to with `docker login`."""
    document = _read(_folder())
    known = {*document.get("auths", {}), *document.get("credHelpers", {})}
    return tuple(host for host in hosts if not known & {host, f"https://{host}"})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the user's configuration has besides logins; `broken` says why it cannot be read.

    `helpers` are the programs of credential helpers, each with the key that names it; `proxied`:
    build steps get proxies.
    """

    path: Path
    exists: bool = True
    broken: str = ""
    helpers: tuple[tuple[str, str], ...] = ()
    proxied: bool = False


def settings() -> Settings:
    path = _folder() / FILE
    try:
        document = _read(_folder())
    except ToolError as error:
        return Settings(path=path, broken=error.message)
    named = [("credHelpers", each) for each in document.get("credHelpers", {}).values()]
    named.append(("credsStore", document.get("credsStore")))
    programs = {
        f"{credential_helpers.PREFIX}{helper}": key
        for key, helper in named
        if helper and isinstance(helper, str)
    }
    proxies = document.get("proxies")
    has_default = isinstance(proxies, dict) and bool(proxies.get("default"))
    return Settings(
        path=path,
        exists=path.exists(),
        helpers=tuple(programs.items()),
        proxied=has_default,
    )


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
            hint="fix that file; `buildkit doctor` shows its problems",
        ) from error
    return document
