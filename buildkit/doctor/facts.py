"""What was observed of a machine, its network and its AWS account: what all checks judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from buildkit.build.buildx import Builder, Buildx
    from buildkit.ecr.identity import Identity
    from buildkit.ecr.permissions import Permissions
    from buildkit.engine.command import Command
    from buildkit.engine.health import Health
    from buildkit.registry.docker_config import Settings
    from buildkit.registry.reach import Found, Reached
    from buildkit.support.errors import BuildkitError
    from buildkit.system.machine import Folder


@dataclass(frozen=True, kw_only=True)
class Images:
    """images.toml: its path and number of targets; None for the path without the file.

    `error` says why the file, a template or images.lock cannot be used. `platforms` are those of
    the targets. `gpus`: some target is for GPUs. `needs_aws`: a registry is one of ECR.
    """

    path: Path | None = None
    targets: int = 0
    error: BuildkitError | None = None
    platforms: tuple[str, ...] = ()
    gpus: bool = False
    needs_aws: bool = False


@dataclass(frozen=True, kw_only=True)
class Docker:
    """The command, buildx and the engine. None: no answer came in time.

    `context` says why docker has no usable context. `pulls` has, by base, why the engine cannot
    ask its registry; None if that took too long, empty if it can. `config` is docker's own
    configuration, `absent_helpers` the credential helpers that it names, and PATH does not have.
    `api_version` is DOCKER_API_VERSION; `host_variable`: DOCKER_HOST names the engine.
    """

    command: Command | None
    buildx: Buildx | None
    builder: Builder | None
    health: Health | None
    config: Settings
    endpoint: str = ""
    context: str = ""
    pulls: Mapping[str, str | None]
    api_version: str = ""
    host_variable: bool = False
    absent_helpers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The machine that buildkit runs on. `folders` are those that it writes to, by their use.

    `studio`: it is a space in SageMaker Studio. `system` is that of Python, such as `linux`.
    """

    system: str
    architecture: str
    user: str
    studio: bool
    folders: Mapping[str, Folder | None]
    engine_folder: Folder | None = None


@dataclass(frozen=True, kw_only=True)
class Network:
    """Variables of the network, and the registries that are used.

    `files` has, by variable, the path of a file that is missing or no certificate, and why.
    `proxies` and `no_proxy` are the variables. `registries` and `bases` have None where no answer
    came in time; `unasked` are bases for which no time was left. `published` are the registries to
    publish to; `logins` has those outside ECR.
    """

    files: tuple[tuple[str, str, str], ...] = ()
    proxies: Mapping[str, str]
    no_proxy: str = ""
    registries: Mapping[str, Reached | None]
    bases: Mapping[str, Found | None]
    unasked: tuple[str, ...] = ()
    logins: Mapping[str, Found | None]
    published: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Aws:
    """Identities by profile, and permissions by registry. None: no answer came in time."""

    identities: Mapping[str | None, Identity | None]
    permissions: Mapping[str, Permissions | None]


@dataclass(frozen=True, kw_only=True)
class Facts:
    images: Images
    docker: Docker
    machine: Machine
    network: Network
    aws: Aws
    seconds: float
