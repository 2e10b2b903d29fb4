"""Blobs on their way out of a registry: read as they come, never held as a whole."""

from __future__ import annotations

import hashlib
import io
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Protocol, TypeVar, cast

import urllib3.exceptions

from buildkit.registry import answers
from buildkit.registry.client import ABSENT, pull
from buildkit.registry.exchange import PassingError
from buildkit.support.errors import ToolError
from buildkit.system import stopping

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
    size: int,
    work: Callable[[IO[bytes]], Found],
    *,
    tell: Callable[[int], None] = lambda _count: None,
) -> Found:
    """Do `work` on the `size` bytes of a blob, again from the first if the connection breaks.

    `tell` is called with the number of bytes that have come since the last call. Raises ToolError,
    also if they are not those of the digest, or more: what `work` has found then does not count.
    """

    def once() -> Found:
        path = f"{repository}/blobs/{digest}"
        with registry.wire.stream(path, scope=pull(repository), absent=ABSENT) as answer:
            if answer is None:
                raise ToolError(
                    f"{registry.host}/{repository} does not hold {digest}",
                    hint="somebody has removed it; publish the image again",
                )
            try:
                answers.check_length(answer.headers, size)
            except ValueError as error:
                raise answers.strange(registry.host, f"GET /v2/{path}", error) from error
            body = _Body(answer.raw, size, tell)
            with io.BufferedReader(body, CHUNK) as content, _translated(registry, digest):
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
    """An answer as a file that can be read once, and knows what it was.

    It ends one byte after the size that it should have: that is another blob then.
    """

    def __init__(self, source: _Source, size: int, tell: Callable[[int], None]) -> None:
        self._source = source
        self._left = size + 1
        self._tell = tell
        self._seen = hashlib.sha256()

    @property
    def digest(self) -> str:
        return f"sha256:{self._seen.hexdigest()}"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        chunk = self._source.read(min(len(buffer), self._left))
        self._left -= len(chunk)
        self._seen.update(chunk)
        self._tell(len(chunk))
        buffer[: len(chunk)] = chunk
        return len(chunk)
