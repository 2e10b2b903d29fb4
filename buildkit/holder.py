"""A container that is never started: a door to one folder of the engine's machine."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from buildkit.containers import FAILURES, translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.models.containers import Container

HELD = "/buildkit-held"
"""Where it has the folder."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A container that only holds a folder, at HELD. What it copies is read as it comes."""

    docker: Container

    @contextmanager
    def copy(self, path: str) -> Iterator[IO[bytes]]:
        """A tar archive of a file below the folder. Raises ToolError.

        docker-py cannot close an archive that is not read to its end, and the engine would wait.
        """
        api: Any = self.docker.client.api if self.docker.client else None
        url = f"{api.base_url}/v{api.api_version}/containers/{self.docker.id}/archive"
        with translated(f"reading {path}"):
            answer = api.get(
                url,
                params={"path": f"{HELD}/{path}"},
                headers={"Accept-Encoding": "identity"},  # blobs are compressed already
                stream=True,
                timeout=api.timeout,
            )
            answer.raise_for_status()
        with answer:
            yield answer.raw

    def remove(self) -> None:
        with suppress(*FAILURES):
            self.docker.remove(force=True, v=True)
