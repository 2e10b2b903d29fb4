"""The Docker adapter: an engine and its images, through docker-py, which only runs containers."""

from __future__ import annotations

import os
import sys
import uuid
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import docker
import docker.errors

from buildkit.contract.engine import ImageView
from buildkit.engine import leftovers, limits
from buildkit.engine.calls import API_SECONDS, FAILURES, streamed, translated
from buildkit.engine.networks import Networks
from buildkit.engine.sandbox import Sandbox
from buildkit.model.hosts import has_registry
from buildkit.support.errors import ToolError
from buildkit.system import shell, stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from buildkit.model.login import Login

EXPORT_CHUNK = 1 << 20


def endpoint() -> tuple[str, str]:
    """The Docker endpoint that the docker CLI would use, and the name of its buildx builder.

    docker-py knows DOCKER_HOST but no contexts; and a push with a configuration of its own would
    forget the context. So it is asked once and passed on. Raises ToolError.
    """
    if host := os.environ.get("DOCKER_HOST"):
        return host, "default"
    done = shell.run(
        "docker", "context", "inspect", "--format", "{{.Name}} {{.Endpoints.docker.Host}}"
    )
    name, _, host = done.output.strip().rpartition(" ")
    if done.code != 0 or not host:
        raise ToolError(
            f"docker names no engine: {done.output.strip()}", hint="`docker context ls`"
        )
    return host, name


@dataclass(frozen=True, kw_only=True)
class Engine(Sandbox):
    """An engine that answers. `containerd` tells which image store it keeps.

    `held` makes names for images that are built by this run, by their numbers. Another run may
    give the name of a target to an image of its own, and an image that has lost its last name is
    gone: the run's own name keeps it, until the run ends.
    """

    builder: str
    containerd: bool
    held: Callable[[int], str]

    def view(self, image: str) -> ImageView:
        with translated(f"looking at `{image}`"):
            found = self.client.images.get(image)
        attributes, history = found.attrs, []
        with suppress(*FAILURES):  # of another platform's image some engines cannot tell it
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
                name: value  # some tools write a name alone
                for name, _, value in (pair.partition("=") for pair in config.get("Env") or ())
            },
            labels=config.get("Labels") or {},
            history=tuple(layer.get("CreatedBy") or "" for layer in history),
            size=attributes.get("Size") or 0,
            media_type=self._media_type(image, attributes),
        )

    def _media_type(self, image: str, attributes: dict[str, Any]) -> str | None:
        """The manifest's, from an engine that tells it, else from the image's registry."""
        if told := (attributes.get("Descriptor") or {}).get("mediaType"):
            return str(told)
        return self._in_registry(image, "mediaType") if has_registry(image) else None

    def _in_registry(self, image: str, fact: str, login: Login | None = None) -> str | None:
        """What an image's registry tells the engine of it now, None if it tells nothing."""
        given = {"username": login.user, "password": login.password} if login else None
        with suppress(*FAILURES):
            api: Any = self.client.api
            return str(api.inspect_distribution(image, auth_config=given)["Descriptor"][fact])
        return None

    def digests(self, image: str, login: Login | None) -> frozenset[str]:
        """What a name leads to now: in its registry, and in the engine; perhaps nowhere.

        Without a `login` docker's own is used, if it has one.
        """
        found = (self._in_registry(image, "digest", login), self.find(image))
        return frozenset(each for each in found if each is not None)

    def find(self, image: str) -> str | None:
        """The id of what a name points at, None if there is nothing of that name."""
        with translated(f"looking for `{image}`"):
            try:
                return self.client.images.get(image).id
            except docker.errors.ImageNotFound:
                return None

    def name(self, image: str, name: str) -> None:
        """Give an image one more name, whatever had that before. Raises ToolError."""
        repository, _, tag = name.rpartition(":")
        with translated(f"naming `{name}`"):
            self.client.api.tag(image, repository, tag)

    def export(self, image_id: str) -> Generator[bytes]:
        """An image as `docker save` hands it out, in pieces. Raises ToolError."""
        with (
            translated(f"reading the image `{image_id}`"),
            streamed(self.client.api, f"images/{image_id}/get") as answer,
        ):
            for chunk in answer.iter_content(EXPORT_CHUNK):
                stopping.check()
                yield chunk


@contextmanager
def connect() -> Iterator[Engine]:
    """The engine that the docker CLI uses. What a run leaves in it is removed, or named.

    Raises ToolError if none answers.
    """
    where, builder = endpoint()
    run = uuid.uuid4().hex[:12]
    sweeper = leftovers.Sweeper(connect=partial(_client, where), endpoint=where, run=run)
    with _hello(where) as (client, info), stopping.using(sweeper):
        leftovers.sweep_the_dead(client)
        watch = limits.Guard(client=client, run=run, limit=limits.DISK)
        with closing(watch), closing(sweeper):
            yield Engine(
                client=client,
                endpoint=where,
                builder=builder,
                containerd=any("containerd" in str(v) for _, v in info.get("DriverStatus") or ()),
                labels=sweeper.labels,
                held=sweeper.name,
                memory=int(info["MemTotal"] * limits.MEMORY_SHARE),
                local=_is_local(where, info),
                gpus="nvidia" in info.get("Runtimes", {}),
                guard=watch,
                networks=Networks(client=client, labels=sweeper.labels),
            )


def _is_local(where: str, info: dict[str, Any]) -> bool:
    """Whether the addresses of the engine's networks are reached from here.

    Docker Desktop's are in a virtual machine, a rootless engine's in a network of its own.
    """
    return (
        sys.platform == "linux"
        and where.startswith("unix://")
        and info.get("OperatingSystem") != "Docker Desktop"
        and not any("rootless" in option for option in info.get("SecurityOptions") or ())
    )


@contextmanager
def _hello(where: str) -> Iterator[tuple[docker.DockerClient, dict[str, Any]]]:
    """A client of an engine that answers, and what the engine says of itself."""
    with ExitStack() as opened:
        try:
            client = opened.enter_context(closing(_client(where, API_SECONDS)))
            info = client.info()
        except FAILURES as error:
            stopping.check()
            raise ToolError(
                f"no Docker engine answers at {where}",
                details=str(error),
                hint="start Docker, or set DOCKER_HOST; in this project's checkout: "
                "`make engine-up`",
            ) from error
        except (ValueError, TypeError, AttributeError) as error:  # docker-py's, of config.json
            raise ToolError(
                f"docker's own configuration cannot be read: {error}",
                hint="mend config.json in DOCKER_CONFIG or ~/.docker; `docker info` tells",
            ) from error
        yield client, info


def _client(where: str, seconds: int) -> docker.DockerClient:
    if "DOCKER_HOST" in os.environ:
        return docker.from_env(timeout=seconds)
    return docker.DockerClient(base_url=where, timeout=seconds)
