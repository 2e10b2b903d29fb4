"""What the suite needs of an engine, as protocols. `buildkit.engine` fits them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager


@dataclass(frozen=True, kw_only=True)
class ImageView:
    """What can be seen of an image without starting it."""

    id: str
    os: str
    architecture: str
    user: str
    entrypoint: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Mount:
    volume: str
    path: str
    read_only: bool = False


class Container(Protocol):
    """One container, created and not yet started. It is removed when its context ends."""

    def put(self, path: str, archive: bytes) -> None:
        """Unpack a tar archive below `path`, also before the start."""

    def get(self, path: str) -> bytes | None:
        """A tar archive of `path`, None if there is nothing."""

    def start(self) -> str | None:
        """Start it. Returns why the engine cannot (no such program …), None if it can."""

    def wait(self, seconds: float) -> int | None:
        """The exit code, None if it still runs after `seconds`."""

    def stop(self, grace: int) -> int:
        """SIGTERM, after `grace` seconds SIGKILL. The exit code."""

    def logs(self) -> str:
        """The last lines of stdout and stderr."""

    def address(self, port: int) -> tuple[str, int]:
        """Where a port of the container is reached from here."""


class Engine(Protocol):
    def view(self, image: str) -> ImageView: ...

    def container(
        self,
        image: str,
        command: Sequence[str],
        *,
        mounts: Sequence[Mount] = (),
        environment: Mapping[str, str] | None = None,
        hostname: str | None = None,
        port: int | None = None,
    ) -> AbstractContextManager[Container]: ...

    def volume(self) -> AbstractContextManager[str]: ...
