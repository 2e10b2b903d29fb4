"""Blobs on their way out of a registry: read as they come, never held as a whole."""

from __future__ import annotations

import hashlib
import io
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Protocol, TypeVar, cast

import urllib3.exceptions

from buildkit import stopping
from buildkit.errors import ToolError
from buildkit.registry.client import ABSENT, pull
from buildkit.registry.wire import PassingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkit.registry.client import Registry

Found = TypeVar("Found")
CHUNK = 1 << 20
BROKEN = (urllib3.exceptions.HTTPError, OSError)


def read(
    registry: Registry,
    repository: str,
    digest: str,
    work: Callable[[IO[bytes]], Found],
    tell: Callable[[int], None] = lambda _count: None,
) -> Found:
    """Do `work` on the bytes of a blob, again from the first if the connection breaks.

    `tell` is called with the number of bytes that have come since the last call. Raises ToolError,
    also if they are not those of the digest: what `work` has found then does not count.
    """

    def once() -> Found:
        answer = registry.wire.send(
            "GET",
            f"{repository}/blobs/{digest}",
            scope=pull(repository),
            absent=ABSENT,
            stream=True,
        )
        if answer is None:
            raise ToolError(
                f"{registry.host}/{repository} does not hold {digest}",
                hint="somebody has removed it; publish the image again",
            )
        body = _Body(answer.raw, tell)
        with answer, io.BufferedReader(body, CHUNK) as content, _translated(registry, digest):
            try:
                return work(cast("IO[bytes]", content))
            finally:  # what `work` complains of may not be what the registry holds
                while body.read(CHUNK):
                    pass
                if body.digest != digest:
                    raise PassingError(
                        f"{registry.host} sent {body.digest}, not {digest}",
                        hint="something between here and the registry changes what it sends",
                    )

    return registry.wire.again(once)


@contextmanager
def _translated(registry: Registry, digest: str) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        stopping.check()
        raise PassingError(
            f"the registry {registry.host} stopped sending {digest}: {error}"
        ) from error


class _Source(Protocol):
    def read(self, amt: int) -> bytes: ...


class _Body(io.RawIOBase):
    """An answer as a file that can be read once, and knows what it was."""

    def __init__(self, source: _Source, tell: Callable[[int], None]) -> None:
        self._source = source
        self._tell = tell
        self._seen = hashlib.sha256()

    @property
    def digest(self) -> str:
        return f"sha256:{self._seen.hexdigest()}"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        chunk = self._source.read(len(buffer))
        self._seen.update(chunk)
        self._tell(len(chunk))
        buffer[: len(chunk)] = chunk
        return len(chunk)
