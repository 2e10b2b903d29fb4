"""Downloads blobs of a registry: read in chunks, never held as a whole."""

from __future__ import annotations

import hashlib
import io
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, TypeVar, cast

import urllib3.exceptions

from buildkit.registry import answers
from buildkit.registry.client import ABSENT, pull
from buildkit.registry.exchange import PassingError
from buildkit.support.errors import ToolError
from buildkit.system import stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests
    from urllib3 import HTTPResponse

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
    progress: Callable[[int], None] = lambda _count: None,
) -> Found:
    """Do `work` on the `size` bytes of a blob; start over if the connection breaks.

    `progress` is called with the number of bytes that have come since the last call. Raises
    ToolError, also for content with another digest: then the result of `work` does not count.
    """

    def once() -> Found:
        with _opened(registry, repository, digest, size) as answer:
            body = _Body(answer.raw, size, progress)
            with io.BufferedReader(body, CHUNK) as content, _translated(registry, digest):
                try:
                    return work(cast("IO[bytes]", content))
                finally:  # the digest matters more than an error of `work`
                    _check_digest(registry, body, digest)

    return registry.wire.again(once)


@contextmanager
def _opened(
    registry: Registry, repository: str, digest: str, size: int
) -> Iterator[requests.Response]:
    """The answer that holds a blob. Raises ToolError if there is none, or it is larger."""
    path = f"{repository}/blobs/{digest}"
    with registry.wire.stream(path, scope=pull(repository), absent=ABSENT) as answer:
        if answer is None:
            raise ToolError(
                f"{registry.host}/{repository} does not hold {digest}",
                hint="the blob was removed: publish the image again",
            )
        try:
            answers.check_length(answer.headers, size)
        except ValueError as error:
            raise answers.strange(registry.host, f"GET /v2/{path}", error) from error
        yield answer


def _check_digest(registry: Registry, body: _Body, digest: str) -> None:
    """Read the rest of a blob. Raises PassingError if the content has another digest."""
    while body.read(CHUNK):
        pass
    if body.digest != digest:
        raise PassingError(
            f"{registry.host} sent {body.digest} instead of {digest}",
            hint="check for a proxy that changes the registry's answers",
        )


@contextmanager
def _translated(registry: Registry, digest: str) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        stopping.check()
        raise PassingError(
            f"the registry {registry.host} stopped sending {digest}: {error}"
        ) from error


class _Body(io.RawIOBase):
    """An answer as a file that can be read once, and then has a digest.

    It ends one byte after the blob's size: a longer answer has another digest.
    """

    def __init__(self, source: HTTPResponse, size: int, progress: Callable[[int], None]) -> None:
        self._source = source
        self._left = size + 1
        self._progress = progress
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
        self._progress(len(chunk))
        buffer[: len(chunk)] = chunk
        return len(chunk)
