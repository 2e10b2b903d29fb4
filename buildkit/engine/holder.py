"""A container that is never started: a door to one folder of the engine's machine."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from buildkit.engine.calls import FAILURES, streamed, translated
from buildkit.system import stopping

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
        """A tar archive of a file below the folder. Raises ToolError."""
        api: Any = self.docker.client.api if self.docker.client else None
        with ExitStack() as opened:
            with translated(f"reading {path}"):
                answer = opened.enter_context(
                    streamed(
                        api,
                        f"containers/{self.docker.id}/archive",
                        params={"path": f"{HELD}/{path}"},
                    )
                )
            yield cast("IO[bytes]", answer.raw)

    def remove(self) -> None:
        """Nothing in an interrupted run, all of which is removed at once."""
        if stopping.is_asked():
            return
        with suppress(*FAILURES):
            self.docker.remove(force=True, v=True)
