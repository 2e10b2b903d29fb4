"""One container of an engine, through docker-py; and what the engine's refusals mean."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import docker.errors
import requests

from buildkit.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.models.containers import Container as DockerContainer

LOG_LINES = 30
LOG_WIDTH = 500
API_SECONDS = 120
"""How long the engine may think about one call; waits for a container add their own time."""
FAILURES = (docker.errors.DockerException, requests.RequestException)
"""What docker-py raises: the engine's refusals, and the network's as they come."""


@contextmanager
def translated(doing: str) -> Iterator[None]:
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


@dataclass(frozen=True, kw_only=True)
class Container:
    """Fits `contract.world.Container`."""

    docker: DockerContainer
    host: str

    def put(self, path: str, archive: bytes) -> None:
        with translated(f"copying into {path}"):
            self.docker.put_archive(path, archive)

    def get(self, path: str) -> bytes | None:
        with translated(f"copying {path}"):
            try:
                chunks, _ = self.docker.get_archive(path)
                return b"".join(chunks)
            except docker.errors.NotFound:
                return None

    def start(self) -> str | None:
        with translated("starting a container"):
            try:
                self.docker.start()
            except docker.errors.APIError as error:
                if error.status_code in (400, 404):  # a program is missing or not executable
                    return str(error.explanation)
                raise
        return None

    def wait(self, seconds: float) -> int | None:
        if seconds == 0:
            with translated("looking at a container"):
                self.docker.reload()
            running = self.docker.attrs["State"]["Running"]
            return None if running else int(self.docker.attrs["State"]["ExitCode"])
        with translated("waiting for a container"):
            try:
                return int(self.docker.wait(timeout=seconds)["StatusCode"])
            except (requests.ReadTimeout, requests.ConnectionError):
                return None

    def stop(self, grace: int) -> int:
        with translated("stopping a container"):
            self.docker.stop(timeout=grace)
            return int(self.docker.wait(timeout=API_SECONDS)["StatusCode"])

    def logs(self) -> str:
        with translated("reading a container's log"):
            said = self.docker.logs(tail=LOG_LINES).decode("utf-8", "replace")
        return "".join(f"{line[:LOG_WIDTH]}\n" for line in said.splitlines()[-LOG_LINES:])

    def address(self, port: int) -> tuple[str, int]:
        with translated("looking for a published port"):
            self.docker.reload()
        published = self.docker.ports.get(f"{port}/tcp") or [{"HostPort": "0"}]
        return self.host, int(published[0]["HostPort"])
