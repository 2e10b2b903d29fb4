"""Downloads blobs of a registry: read in chunks, never held as a whole."""

from __future__ import annotations

import hashlib
from collections import deque
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, TypeVar

import urllib3.exceptions

from buildkit.registry import answers
from buildkit.registry.client import ABSENT, pull
from buildkit.registry.exchange import PassingError
from buildkit.support import streams
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
            chunks = _content(registry.host, answer.raw, digest, size, progress)
            try:
                return work(streams.file(chunks))
            finally:  # the digest matters more than an error of `work`
                deque(chunks, maxlen=0)

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
        with answers.usable(registry.host, f"GET /v2/{path}"):
            answers.check_length(answer.headers, size)
        yield answer


def _content(
    host: str, source: HTTPResponse, digest: str, size: int, progress: Callable[[int], None]
) -> Iterator[bytes]:
    """A blob in chunks. Raises PassingError, also at the end of a blob with another digest.

    It ends one byte after the blob's size: a longer answer has another digest.
    """
    left, seen = size + 1, hashlib.sha256()
    try:
        while chunk := source.read(min(CHUNK, left)):
            left -= len(chunk)
            seen.update(chunk)
            progress(len(chunk))
            yield chunk
    except BROKEN as error:
        stopping.check()
        raise PassingError(f"the registry {host} stopped sending {digest}: {error}") from error
    if (found := f"sha256:{seen.hexdigest()}") != digest:
        raise PassingError(
            f"{host} sent {found} instead of {digest}",
            hint="check for a proxy that changes the registry's answers",
        )
