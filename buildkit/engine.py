"""The Docker adapter: containers and images through docker-py, which neither builds nor pushes.

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
import requests
from docker.types import LogConfig, Mount

from buildkit import shell
from buildkit.contract.world import ImageView
from buildkit.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from docker.models.containers import Container as DockerContainer

    from buildkit.contract import world

LABEL = "buildkit.run"
LOG_LINES = 30
LOG_WIDTH = 500
API_SECONDS = 120
"""How long the engine may think about one call; waits for a container add their own time."""
HELLO_SECONDS = 20
"""How long it may take to answer at all."""
FAILURES = (docker.errors.DockerException, requests.RequestException)
"""What docker-py raises: the engine's refusals, and the network's as they come."""


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except docker.errors.ImageNotFound as error:
        raise ToolError(
            f"{doing}: the engine has no such image", hint="build it, or `docker pull` it"
        ) from error
    except FAILURES as error:
        said = getattr(error, "explanation", None) or str(error)
        if "No space left" in said or "no space left" in said:
            raise ToolError(
                f"{doing}: the engine's disk is full", hint="`docker system prune`, then again"
            ) from error
        raise ToolError(
            f"{doing}: {said}", hint="`docker info` tells whether the engine is well"
        ) from error


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
        with _translated(f"looking at `{image}`"):
            attributes = self.client.images.get(image).attrs
        config = attributes.get("Config") or {}
        return ImageView(
            id=attributes["Id"],
            os=attributes["Os"],
            architecture=attributes["Architecture"],
            user=config.get("User") or "",
            entrypoint=tuple(config.get("Entrypoint") or ()),
            labels=config.get("Labels") or {},
            size=attributes["Size"],
        )

    def has(self, image: str) -> bool:
        with _translated(f"looking for `{image}`"):
            try:
                self.client.images.get(image)
            except docker.errors.ImageNotFound:
                return False
            return True

    def tag(self, image_id: str, repository: str, tag: str) -> None:
        with _translated(f"tagging `{repository}:{tag}`"):
            self.client.images.get(image_id).tag(repository, tag)

    def untag(self, name: str) -> None:
        """Take a name off an image; its other names keep it."""
        with suppress(*FAILURES):
            self.client.images.remove(name, noprune=True)

    @contextmanager
    def volume(self) -> Iterator[str]:
        self._refuse_when_closed()
        with _translated("creating a volume"):
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
        with _translated(f"creating a container of `{image}`"):
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
            for container in self.client.containers.list(all=True, filters=mine):
                with suppress(*FAILURES):
                    container.remove(force=True, v=True)
            for volume in self.client.volumes.list(filters=mine):
                with suppress(*FAILURES):
                    volume.remove(force=True)

    def _refuse_when_closed(self) -> None:
        if self.closed.is_set():
            raise ToolError("the run was ended")


@dataclass(frozen=True, kw_only=True)
class Container:
    """Fits `contract.world.Container`."""

    docker: DockerContainer
    host: str

    def put(self, path: str, archive: bytes) -> None:
        with _translated(f"copying into {path}"):
            self.docker.put_archive(path, archive)

    def get(self, path: str) -> bytes | None:
        with _translated(f"copying {path}"):
            try:
                chunks, _ = self.docker.get_archive(path)
                return b"".join(chunks)
            except docker.errors.NotFound:
                return None

    def start(self) -> str | None:
        with _translated("starting a container"):
            try:
                self.docker.start()
            except docker.errors.APIError as error:
                if error.status_code in (400, 404):  # a program is missing or not executable
                    return str(error.explanation)
                raise
        return None

    def wait(self, seconds: float) -> int | None:
        if seconds == 0:
            with _translated("looking at a container"):
                self.docker.reload()
            running = self.docker.attrs["State"]["Running"]
            return None if running else int(self.docker.attrs["State"]["ExitCode"])
        with _translated("waiting for a container"):
            try:
                return int(self.docker.wait(timeout=seconds)["StatusCode"])
            except (requests.ReadTimeout, requests.ConnectionError):
                return None

    def stop(self, grace: int) -> int:
        with _translated("stopping a container"):
            self.docker.stop(timeout=grace)
            return int(self.docker.wait(timeout=API_SECONDS)["StatusCode"])

    def logs(self) -> str:
        with _translated("reading a container's log"):
            said = self.docker.logs(tail=LOG_LINES).decode("utf-8", "replace")
        return "".join(f"{line[:LOG_WIDTH]}\n" for line in said.splitlines()[-LOG_LINES:])

    def address(self, port: int) -> tuple[str, int]:
        with _translated("looking for a published port"):
            self.docker.reload()
        published = self.docker.ports.get(f"{port}/tcp") or [{"HostPort": "0"}]
        return self.host, int(published[0]["HostPort"])


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
