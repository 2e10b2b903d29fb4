"""The Docker adapter: images and containers through docker-py, which neither builds nor pushes.

Every container and volume carries this run's label, so that an interrupted run can sweep what it
has left. Files travel as archives, never as bind mounts: the engine may be on another machine.
"""

from __future__ import annotations

import os
import threading
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import docker
import docker.errors
from docker.types import LogConfig, Mount

from buildkit import shell
from buildkit.containers import API_SECONDS, FAILURES, Container, translated
from buildkit.contract.world import ImageView
from buildkit.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from buildkit.contract import world

LABEL = "buildkit.run"
HELLO_SECONDS = 20
"""How long it may take to answer at all."""


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
class Engine:
    """An engine that answers. `containerd` tells which image store it keeps."""

    client: docker.DockerClient
    endpoint: str
    builder: str
    containerd: bool
    run: str
    closed: threading.Event = field(default_factory=threading.Event)

    def view(self, image: str) -> ImageView:
        with translated(f"looking at `{image}`"):
            attributes = self.client.images.get(image).attrs
        config = attributes.get("Config") or {}
        return ImageView(
            id=attributes["Id"],
            os=attributes["Os"],
            architecture=attributes["Architecture"],
            user=config.get("User") or "",
            entrypoint=tuple(config.get("Entrypoint") or ()),
        )

    def find(self, image: str) -> str | None:
        """The id of what a name points at, None if there is nothing of that name."""
        with translated(f"looking for `{image}`"):
            try:
                return self.client.images.get(image).id
            except docker.errors.ImageNotFound:
                return None

    @contextmanager
    def named(self, image_id: str, repository: str, tag: str) -> Iterator[str]:
        """Give an image a name. What had it before has it again if the work under it fails.

        Otherwise the name stays: another run may be pushing under it at the same time.
        """
        name = f"{repository}:{tag}"
        before = self.find(name)
        self._tag(image_id, repository, tag)
        try:
            yield name
        except BaseException:
            with suppress(ToolError, *FAILURES):
                if before is None:
                    self.client.images.remove(name, noprune=True)
                else:
                    self._tag(before, repository, tag)
            raise

    def _tag(self, image_id: str, repository: str, tag: str) -> None:
        with translated(f"tagging `{repository}:{tag}`"):
            self.client.images.get(image_id).tag(repository, tag)

    @contextmanager
    def volume(self) -> Iterator[str]:
        self._refuse_when_closed()
        with translated("creating a volume"):
            volume = self.client.volumes.create(labels={LABEL: self.run})
        try:
            yield volume.name
        finally:
            with suppress(*FAILURES):
                volume.remove(force=True)

    @contextmanager
    def container(
        self,
        image: str,
        command: Sequence[str],
        *,
        mounts: Sequence[world.Mount] = (),
        environment: Mapping[str, str] | None = None,
        hostname: str | None = None,
        port: int | None = None,
    ) -> Iterator[Container]:
        """A container without terminal and stdin (contract RUN-07), its log kept below 10 MB."""
        self._refuse_when_closed()
        local = urlparse(self.endpoint).hostname or "127.0.0.1"
        with translated(f"creating a container of `{image}`"):
            created = self.client.containers.create(
                image,
                list(command),
                environment=dict(environment or {}),
                hostname=hostname,
                labels={LABEL: self.run},
                log_config=LogConfig(
                    type=LogConfig.types.JSON, config={"max-size": "5m", "max-file": "2"}
                ),
                mounts=[
                    Mount(
                        target=mount.path,
                        source=mount.volume,
                        type="volume",
                        read_only=mount.read_only,
                        no_copy=True,
                    )
                    for mount in mounts
                ],
                ports={} if port is None else {f"{port}/tcp": (_publish_on(local), 0)},
            )
        try:
            yield Container(docker=created, host=local)
        finally:
            with suppress(*FAILURES):
                created.remove(force=True, v=True)

    def interrupt(self) -> None:
        """End what this run waits for: processes, then containers. No new ones are begun."""
        shell.end_all()
        self.closed.set()
        self.sweep()

    def sweep(self) -> None:
        mine: dict[str, Any] = {"label": f"{LABEL}={self.run}"}
        with suppress(*FAILURES):
            # Others are removing them too: one that has gone must not end the list.
            for container in self.client.containers.list(
                all=True, filters=mine, ignore_removed=True
            ):
                with suppress(*FAILURES):
                    container.remove(force=True, v=True)
        with suppress(*FAILURES):
            for volume in self.client.volumes.list(filters=mine):
                with suppress(*FAILURES):
                    volume.remove(force=True)

    def _refuse_when_closed(self) -> None:
        if self.closed.is_set():
            raise ToolError("the run was ended")


def connect() -> Engine:
    """Connect to the engine that the docker CLI uses. Raises ToolError if none answers."""
    where, builder = endpoint()
    try:
        client = (
            docker.from_env(timeout=HELLO_SECONDS)
            if "DOCKER_HOST" in os.environ
            else docker.DockerClient(base_url=where, timeout=HELLO_SECONDS)
        )
        info = client.info()
        client.api.timeout = API_SECONDS
    except FAILURES as error:
        raise ToolError(
            f"no Docker engine answers at {where}",
            details=str(error),
            hint="start Docker, or set DOCKER_HOST; in this project's checkout: `make engine-up`",
        ) from error
    containerd = any("containerd" in str(value) for _, value in info.get("DriverStatus") or ())
    return Engine(
        client=client,
        endpoint=where,
        builder=builder,
        containerd=containerd,
        run=uuid.uuid4().hex[:12],
    )


def _publish_on(local: str) -> str:
    return "127.0.0.1" if local == "127.0.0.1" else "0.0.0.0"  # noqa: S104 - a remote engine
