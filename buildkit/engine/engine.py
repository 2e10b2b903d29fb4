"""The Docker adapter: an engine, its images, and the containers that images are tested in.

Containers, volumes and networks carry the label of the run, so that its end, or a later run after a
crash, can find and remove them.
"""

from __future__ import annotations

import os
import shlex
import sys
import uuid
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import docker
import docker.errors
from docker.types import DeviceRequest

from buildkit.contract.engine import ImageView
from buildkit.engine import container_options, leftovers, limits
from buildkit.engine.calls import (
    API_SECONDS,
    BUILD,
    FAILURES,
    discard,
    hint_without,
    streamed,
    translated,
)
from buildkit.engine.containers import Container, Reader, of_image
from buildkit.engine.networks import Kind, Networks
from buildkit.model.hosts import has_registry
from buildkit.support import addresses
from buildkit.support.errors import ToolError
from buildkit.system import shell, stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from buildkit.contract.engine import Start
    from buildkit.model.login import Login

EXPORT_CHUNK = 1 << 20
SSH = "ssh://"
CONTEXT_SECONDS = 5
"""For the name of a context, which docker reads from files."""


def endpoint() -> tuple[str, str]:
    """The endpoint that the docker CLI uses, and the name of its buildx builder. Raises ToolError.

    docker-py reads DOCKER_HOST but no contexts, and docker itself finds no contexts in a private
    configuration: so the CLI is asked once, and the answer is passed on.
    """
    if host := os.environ.get("DOCKER_HOST"):
        return host, "default"
    asked = ("docker", "context", "inspect", "--format", "{{.Name}} {{.Endpoints.docker.Host}}")
    said = shell.limited(*asked, seconds=CONTEXT_SECONDS)
    text = (said.stderr if said.code else said.stdout).decode(errors="replace").strip()
    name, _, host = text.rpartition(" ")
    if said.code != 0 or not host:
        raise ToolError(
            f"`docker` has no usable context: {text}",
            hint="choose one with `docker context use NAME`; `docker context ls` lists them, and "
            "`buildkit doctor` checks the engine",
        )
    return host, name


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A running engine. Fits `contract.engine.Engine`.

    `containerd`: it has the containerd image store, not the classic one. `local`: it runs on this
    machine's own kernel, so the addresses of its networks can be reached from here. `gpus`: it can
    give GPUs to containers. `memory` is the limit of one container, in bytes. `outside`: containers
    use the engine's own network instead of the isolated ones of the run.

    `labels` are those of new things of this run. `held` makes a new name for an image that this
    run builds: another run may take over the name of the target, and an image without a name
    is deleted, so the run's own name keeps the image until the run ends.
    """

    client: docker.DockerClient
    endpoint: str
    builder: str
    containerd: bool
    local: bool
    gpus: bool
    memory: int
    labels: Callable[[], dict[str, str]]
    held: Callable[[], str]
    guard: limits.Guard
    networks: Networks
    outside: bool = False

    def view(self, image: str) -> ImageView:
        with translated(f"inspecting `{image}`", without_image=hint_without(image)):
            found = self.client.images.get(image)
        attributes, history = found.attrs, []
        with suppress(*FAILURES):  # some engines have no history of other platforms' images
            history = found.history()
        config = attributes.get("Config") or {}
        return ImageView(
            id=attributes["Id"],
            os=attributes["Os"],
            architecture=attributes["Architecture"],
            user=config.get("User") or "",
            entrypoint=tuple(config.get("Entrypoint") or ()),
            command=tuple(config.get("Cmd") or ()),
            environment={
                name: value  # some tools write a bare name
                for name, _, value in (pair.partition("=") for pair in config.get("Env") or ())
            },
            labels=config.get("Labels") or {},
            history=tuple(layer.get("CreatedBy") or "" for layer in history),
            size=attributes.get("Size") or 0,
            media_type=self._media_type(image, attributes),
        )

    def _media_type(self, image: str, attributes: dict[str, Any]) -> str | None:
        """The type of the manifest, from the engine if it has it, else from the registry."""
        if found := (attributes.get("Descriptor") or {}).get("mediaType"):
            return str(found)
        return self._in_registry(image, "mediaType") if has_registry(image) else None

    def _in_registry(self, image: str, fact: str, login: Login | None = None) -> str | None:
        """A fact of the manifest that the registry has now, None if it does not answer."""
        given = {"username": login.user, "password": login.password} if login else None
        with suppress(*FAILURES):
            api: Any = self.client.api
            return str(api.inspect_distribution(image, auth_config=given)["Descriptor"][fact])
        return None

    def digests(self, image: str, login: Login | None) -> frozenset[str]:
        """The digests that a name has now in its registry and in the engine; perhaps none.

        Without a `login`, docker's own is used.
        """
        found = (self._in_registry(image, "digest", login), self.find(image))
        return frozenset(each for each in found if each is not None)

    def find(self, image: str) -> str | None:
        """The id of the image with a name, None if no image has it."""
        return self._fact(image, "Id")

    def created(self, image: str) -> str | None:
        """When the image with a name was created, None if no image has it."""
        return self._fact(image, "Created")

    def label(self, image: str, name: str) -> str | None:
        """A label of an image, None if the engine lacks the image, or the image the label."""
        with translated(f"finding `{image}`"):
            try:
                config = self.client.images.get(image).attrs.get("Config") or {}
            except docker.errors.ImageNotFound:
                return None
        found: str | None = (config.get("Labels") or {}).get(name)
        return found

    def _fact(self, image: str, fact: str) -> str | None:
        with translated(f"finding `{image}`"):
            try:
                about: dict[str, str] = self.client.images.get(image).attrs
            except docker.errors.ImageNotFound:
                return None
        return about.get(fact)

    def name(self, image: str, name: str) -> None:
        """Give an image one more name, which another image may lose. Raises ToolError."""
        repository, _, tag = name.rpartition(":")
        with translated(f"tagging `{name}`"):
            self.client.api.tag(image, repository, tag)

    def export(self, image_id: str) -> Generator[bytes]:
        """The output of `docker save`, in pieces. Raises ToolError."""
        with (
            translated(f"reading the image `{image_id}`", without_image=BUILD),
            streamed(self.client.api, f"images/{image_id}/get") as answer,
        ):
            for chunk in answer.iter_content(EXPORT_CHUNK):
                stopping.check()
                yield chunk

    def connected(self, *, outside: bool) -> Engine:
        """The same engine, whose containers reach everything outside, or nothing."""
        return replace(self, outside=outside)

    @contextmanager
    def volume(self) -> Iterator[str]:
        with translated("creating a volume"):
            volume = self.client.volumes.create(labels=self.labels())
        try:
            yield volume.name
        finally:
            discard(lambda: volume.remove(force=True))

    @contextmanager
    def network(self) -> Iterator[str]:
        network = self.networks.make(None if self.outside else Kind.SEALED)
        try:
            yield network
        finally:
            discard(lambda: self.client.api.remove_network(network))

    @contextmanager
    def container(self, image: str, start: Start) -> Iterator[Container]:
        """A container that is bounded in every way, without terminal and input (RUN-07)."""
        host = urlparse(self.endpoint).hostname or "127.0.0.1"
        memory = start.memory or self.memory
        doing = f"creating a container of `{image}`"
        with of_image(doing, without_image=hint_without(image)):
            created = self.client.containers.create(
                image,
                labels=self.labels(),
                device_requests=self._devices(image, start),
                **container_options.of_start(start),
                **container_options.bounds(memory=memory, file_size=self.guard.limit),
                **self._connection(start, host),
            )
        number = str(created.id)
        self.guard.watch(number, [mount.volume for mount in start.mounts])
        try:
            with translated("connecting a container"):
                for network, names in start.networks[1:]:
                    self.client.networks.get(network).connect(created, aliases=list(names))
            yield Container(
                docker=created,
                host=host,
                bridged=self.local,
                overrun=lambda: self.guard.overrun(number),
            )
        finally:
            self.guard.forget(number)
            discard(lambda: created.remove(force=True, v=True))

    def reader(self, image: str, folder: str) -> Reader:
        """A container that gives access to a folder of the engine's machine. The caller removes it.

        Raises ToolError if the engine does not allow to mount the folder.
        """
        with translated(f"mounting {folder}"):
            created = self.client.containers.create(
                image, labels=self.labels(), **container_options.of_reader(folder)
            )
        return Reader(docker=created)

    def _connection(self, start: Start, host: str) -> dict[str, Any]:
        """The options for the first network of a container; others are connected to it later."""
        if start.beside is not None:
            return {"network_mode": f"container:{start.beside}"}
        options: dict[str, Any] = {"hostname": start.hostname}
        if networks := start.networks or self._network(start):
            network, names = networks[0]
            endpoint_config = self.client.api.create_endpoint_config(aliases=list(names))
            options |= {"network": network, "networking_config": {network: endpoint_config}}
        if not self.local:
            options["ports"] = {f"{port}/tcp": (_publish_on(host), 0) for port in start.ports}
        return options

    def _network(self, start: Start) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The run's network for a container that names none; empty: the engine's own."""
        if self.outside:
            return ()
        served = Kind.ASKED if self.local else Kind.PUBLISHED
        return ((self.networks.of(served if start.ports else Kind.SEALED), ()),)

    def _devices(self, image: str, start: Start) -> list[DeviceRequest]:
        """All GPUs, for an image that asks for them as NVIDIA's container toolkit defines it."""
        if not self.gpus:
            return []
        variables = self.client.images.get(image).attrs["Config"].get("Env") or ()
        asked = any(pair.startswith("NVIDIA_VISIBLE_DEVICES=") for pair in variables)
        wanted = asked or start.gpus
        return [DeviceRequest(count=-1, capabilities=[["gpu"]])] if wanted else []


def _publish_on(host: str) -> str:
    """The address of the engine's machine at which ports are published.

    A remote engine may be behind another address, and does not publish ports at an address that its
    machine does not have: so it uses all of them.
    """
    return "127.0.0.1" if host == "127.0.0.1" else "0.0.0.0"  # noqa: S104 - see above


@contextmanager
def connect(disk: int = limits.DISK, memory_share: float = limits.MEMORY_SHARE) -> Iterator[Engine]:
    """The engine that the docker CLI uses. Raises ToolError if it does not answer.

    A container may use `disk` bytes, and `memory_share` of the engine's memory. In the end, what
    the run has left in the engine is removed, or listed if it cannot be removed.
    """
    where, builder = endpoint()
    run = uuid.uuid4().hex[:12]
    sweeper = leftovers.Sweeper(connect=partial(_client, where), endpoint=where, run=run)
    with _hello(where) as (client, info), stopping.using(sweeper):
        leftovers.sweep_the_dead(client)
        watch = limits.Guard(client=client, run=run, limit=disk)
        with closing(watch), closing(sweeper):
            yield Engine(
                client=client,
                endpoint=where,
                builder=builder,
                containerd=any("containerd" in str(v) for _, v in info.get("DriverStatus") or ()),
                labels=sweeper.labels,
                held=sweeper.name,
                memory=int(info["MemTotal"] * memory_share),
                local=is_local(where, info),
                gpus="nvidia" in info.get("Runtimes", {}),
                guard=watch,
                networks=Networks(client=client, labels=sweeper.labels),
            )


def is_local(where: str, info: dict[str, Any]) -> bool:
    """Whether the addresses of the engine's networks can be reached from here.

    Docker Desktop has them in a virtual machine, a rootless engine in a network of its own.
    """
    return (
        sys.platform == "linux"
        and where.startswith("unix://")
        and info.get("OperatingSystem") != "Docker Desktop"
        and not any("rootless" in option for option in info.get("SecurityOptions") or ())
    )


@contextmanager
def _hello(where: str) -> Iterator[tuple[docker.DockerClient, dict[str, Any]]]:
    """A client of a running engine, and the answer of `docker info`."""
    over_ssh = where.startswith(SSH)
    if over_ssh:
        _need_paramiko(where)
    # paramiko's errors are none of docker-py's.
    failures: tuple[type[Exception], ...] = (Exception,) if over_ssh else FAILURES
    with ExitStack() as opened:
        try:
            client = opened.enter_context(closing(_client(where, API_SECONDS)))
            info = client.info()
        except failures as error:
            stopping.check()
            raise ToolError(
                f"no Docker engine answers at {addresses.shown(where)}",
                details=reason(error).replace(where, addresses.shown(where)),
                hint="make `docker info` work without a password or a question, then rerun this"
                if over_ssh
                else "start Docker; `buildkit doctor` finds the cause; in this project's checkout: "
                "`make engine-up`",
            ) from error
        except (ValueError, TypeError, AttributeError) as error:  # docker-py's, of config.json
            raise ToolError(
                f"docker's own configuration cannot be read: {error}",
                hint="fix config.json in DOCKER_CONFIG or ~/.docker until `docker info` works",
            ) from error
        yield client, info


def _need_paramiko(where: str) -> None:
    """Raise ToolError unless docker-py has what it needs for SSH, which it does not require."""
    if find_spec("paramiko") is None:
        python = shlex.quote(sys.executable)
        pip = f"{python} -m pip install" if find_spec("pip") else f"uv pip install -p {python}"
        raise ToolError(
            f"cannot reach the engine at {where}: SSH needs the Python package `paramiko`, which "
            "is not installed",
            hint=f"`{pip} 'docker[ssh]'`",
        )


def reason(error: BaseException) -> str:
    """Why a connection failed: the operating system's reason, which several libraries wrap."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    wrapped = (error.__cause__, error.__context__, getattr(error, "reason", None), *error.args)
    found = (reason(each) for each in wrapped if isinstance(each, BaseException))
    return next(found, str(error))


def _client(where: str, seconds: int) -> docker.DockerClient:
    if "DOCKER_HOST" in os.environ:
        return docker.from_env(timeout=seconds)
    return docker.DockerClient(base_url=where, timeout=seconds)
