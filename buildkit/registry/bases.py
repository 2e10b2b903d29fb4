"""A base image -> the registry that Docker pulls it from, with docker's login or a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.model import names
from buildkit.model.hosts import DOCKER_HUB, has_registry
from buildkit.registry import docker_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit.model.login import Login
    from buildkit.registry.client import Registry

NO_IMAGE = "scratch"
"""The base of an image that is built on none."""
HUB_LOGIN = "docker.io"
"""The name that docker keeps its login to Docker Hub under."""


def located(base: str) -> tuple[str, str, str]:
    """The host of the registry, the repository, and the tag or digest of a base."""
    name, _, digest = names.familiar(base).partition("@")
    path, tag = name, "latest"
    if ":" in name.rpartition("/")[2]:
        path, _, tag = name.rpartition(":")
    if has_registry(path):
        host, _, repository = path.partition("/")
        return host, repository, digest or tag
    return DOCKER_HUB, path if "/" in path else f"library/{path}", digest or tag


def registry(host: str, logins: Mapping[str, Login], *, attempts: int | None = None) -> Registry:
    """A connection to close. `logins` are by host; for other hosts docker's own are used."""
    from buildkit.registry.client import Registry  # noqa: PLC0415 - HTTP loads slowly; pinned bases
    from buildkit.registry.wire import Wire  # noqa: PLC0415 - need no registry

    def login() -> Login | None:
        return logins.get(host) or docker_config.of(HUB_LOGIN if host == DOCKER_HUB else host)

    return Registry(wire=Wire(host=host, login=login, attempts=attempts))
