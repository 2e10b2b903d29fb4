"""Registries of base images -> new logins to those of ECR that docker has no login for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.ecr import places
from buildkit.model.hosts import ECR_HOST
from buildkit.registry import docker_config
from buildkit.support.errors import ToolError
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildkit.model.login import Login


def base_logins(hosts: Iterable[str]) -> tuple[dict[str, Login], dict[str, ToolError]]:
    """New logins by host, and the errors of the hosts that gave none."""
    lacking = docker_config.lacking(filter(ECR_HOST.fullmatch, sorted({*hosts})))
    if not lacking:
        return {}, {}
    from buildkit.ecr import api  # noqa: PLC0415 - boto3 loads slowly

    found, refused = {}, {}
    for place in filter(None, map(places.private, lacking)):
        console.say(f"logging in to {place.host}")
        try:
            found[place.host] = api.login(place)
        except ToolError as error:
            refused[place.host] = error
    return found, refused
