"""A base image -> its digest, asked of its registry. No engine is needed."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from buildkit.config import substitution
from buildkit.prebuilt import reverse
from buildkit.registry import docker_config
from buildkit.registry.client import Registry
from buildkit.registry.wire import Wire
from buildkit.support.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from buildkit.model.login import Login
    from buildkit.model.target import Target

HUB_API = "registry-1.docker.io"
HUB_LOGIN = "https://index.docker.io/v1/"
"""The name under which docker keeps the login to Docker Hub."""
NO_IMAGE = "scratch"


def of(targets: Iterable[Target]) -> tuple[str, ...]:
    """The bases that a lock pins, sorted: all but those that images.toml names by their digest."""
    found = {target.base for target in targets}
    return tuple(sorted(base for base in found if base != NO_IMAGE and "@" not in base))


def digest(base: str, rules: Sequence[substitution.Rule], logins: Mapping[str, Login]) -> str:
    """The digest that a base has now, or the image that replaces it by `rules`.

    `logins` are by host; for other hosts docker's own are used. Raises ToolError, which names the
    base.
    """
    image = substitution.substitute(base, rules) or base
    tagged = image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest"
    parts = reverse.parse(tagged)
    if parts.digest is not None:
        return parts.digest
    called = f"`{base}`" if image == base else f"`{base}`, replaced with `{image}`,"
    try:
        with closing(Wire(host=_api(parts.host), login=_login(parts.host, logins))) as wire:
            found = Registry(wire=wire).manifest(parts.repository, parts.tag or "latest")
    except ToolError as error:
        raise type(error)(
            f"the digest of the base image {called} could not be resolved: {error.message}",
            hint=error.hint,
            details=error.details,
        ) from error
    if found is None:
        raise ToolError(
            f"the base image {called} was not found in {parts.host}",
            hint="check `base` in images.toml, or replace the image with `--substitute`",
        )
    return found.digest


def _api(host: str) -> str:
    return HUB_API if host == reverse.HUB else host


def _login(host: str, logins: Mapping[str, Login]) -> Callable[[], Login | None]:
    if host in logins:
        return lambda: logins[host]
    return lambda: docker_config.of(HUB_LOGIN if host == reverse.HUB else host)
