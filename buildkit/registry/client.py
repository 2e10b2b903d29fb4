"""What a registry can be asked and given (OCI distribution specification 1.1)."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests

from buildkit.errors import ToolError
from buildkit.registry.manifests import EVERY_TYPE, Manifest, digest_of
from buildkit.registry.wire import PassingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from buildkit.registry.wire import Wire

ABSENT = (404,)
CHECKS = 3
"""Attempts to reach a registry: nothing has been done yet that would be worth more patience."""
PAGE = 1000
WORTH_TELLING = 10_000_000
"""Bytes."""
CHUNK = 1 << 16
"""Bytes that are handed on at once; for more, memory comes from the kernel each time."""


@dataclass(frozen=True, kw_only=True)
class Blob:
    """A layer or a configuration. `size` in bytes; `open` makes it readable from its start."""

    digest: str
    size: int
    open: Callable[[], AbstractContextManager[IO[bytes]]]

    @property
    def is_large(self) -> bool:
        """Whether people want to know what becomes of it."""
        return self.size >= WORTH_TELLING


@dataclass(frozen=True, kw_only=True)
class Registry:
    """Each call tries again what may pass, then raises ToolError."""

    wire: Wire

    @property
    def host(self) -> str:
        return self.wire.host

    def check(self) -> None:
        """Raise ToolError if it does not answer, or not to this login."""
        self.wire.again(lambda: self.wire.send("GET", "", absent=ABSENT), attempts=CHECKS)

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """The manifest under a tag or digest, None if there is none."""

        def read() -> Manifest | None:
            answer = self.wire.send(
                "GET",
                f"{repository}/manifests/{reference}",
                scope=pull(repository),
                headers={"Accept": ", ".join(EVERY_TYPE)},
                absent=ABSENT,
            )
            if answer is None:
                return None
            kind = answer.headers.get("Content-Type", "").partition(";")[0]
            found = Manifest(media_type=kind, content=answer.content)
            self._check(repository, reference, found, answer)
            return found

        return self.wire.again(read)

    def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> None:
        """Store a manifest under its digest, or give it a tag."""
        self.ask(
            "PUT",
            f"{repository}/manifests/{reference}",
            scope=push(repository),
            headers={"Content-Type": manifest.media_type},
            body=manifest.content,
        )

    def tags(self, repository: str) -> tuple[str, ...]:
        """All tags of a repository, none of one that does not exist."""
        found: list[str] = []
        path = f"{repository}/tags/list?n={PAGE}"
        while path:
            answer = self.ask("GET", path, scope=pull(repository), absent=ABSENT)
            if answer is None:
                break
            found += _json(answer).get("tags") or ()
            path = answer.links.get("next", {}).get("url", "")
        return tuple(found)

    def config(self, repository: str, digest: str) -> Mapping[str, Any]:
        """The configuration of an image, checked against its digest."""
        answer = self.ask(
            "GET", f"{repository}/blobs/{digest}", scope=pull(repository), absent=ABSENT
        )
        if answer is None or digest_of(answer.content) != digest:
            raise ToolError(f"{self.host} does not hold the configuration {digest}")
        document: Mapping[str, Any] = _json(answer)
        return document

    def has(self, repository: str, digest: str) -> bool:
        """Whether a repository holds a blob."""
        path = f"{repository}/blobs/{digest}"
        return self.ask("HEAD", path, scope=pull(repository), absent=ABSENT) is not None

    def mount(self, repository: str, digest: str, sister: str) -> bool:
        """Take a blob over from another repository of this registry, if it lets us."""
        answer = self.ask(
            "POST",
            f"{repository}/blobs/uploads/?{urlencode({'mount': digest, 'from': sister})}",
            scope=f"{push(repository)} {pull(sister)}",
            # A registry that does not mount begins an upload instead, or refuses.
            absent=(400, 403, 404, 405),
        )
        if answer is None:
            return False
        if answer.status_code == requests.codes.accepted:
            self._cancel(repository, answer.headers.get("Location", ""))
            return False
        return True

    def upload(self, repository: str, blob: Blob, tell: Callable[[int], None]) -> None:
        """Send a blob; `tell` is called with the bytes of it that are on their way.

        All of it in one request, as containerd does: a registry hashes what comes in two requests
        twice. A blob that is disturbed is sent again from its start: not all take parts.
        """
        scope = push(repository)

        @contextmanager
        def body() -> Iterator[_Body]:
            with blob.open() as file:
                yield _Body(file, blob.size, tell)

        def whole() -> None:
            begun = self.wire.send("POST", f"{repository}/blobs/uploads/", scope=scope)
            assert begun is not None
            sent = self.wire.send(
                "PUT",
                _with_query(begun.headers["Location"], digest=blob.digest),
                scope=scope,
                headers={"Content-Type": "application/octet-stream"},
                body=body,
                absent=ABSENT,
            )
            if sent is None:  # an upload that is lost is begun again
                raise PassingError(f"{self.host} lost the upload of {blob.digest}")

        self.wire.again(whole)

    def close(self) -> None:
        self.wire.close()

    def ask(self, method: str, path: str, **options: Any) -> requests.Response | None:
        """Send a request, again if need be; `options` are those of the wire's `send`."""
        return self.wire.again(lambda: self.wire.send(method, path, **options))

    def _cancel(self, repository: str, location: str) -> None:
        if location:
            self.ask("DELETE", location, scope=push(repository), absent=(*ABSENT, 405, 400))

    def _check(
        self, repository: str, reference: str, found: Manifest, answer: requests.Response
    ) -> None:
        """A manifest that is cut off, or not the one whose digest was asked for, may come right."""
        promised = reference if reference.startswith("sha256:") else None
        promised = promised or answer.headers.get("Docker-Content-Digest")
        name = f"{self.host}/{repository}:{reference}"
        if promised and promised != found.digest:
            raise PassingError(
                f"{self.host} sent a manifest of {repository} that is {found.digest}, not "
                f"{promised}",
                hint="something between here and the registry changes what it sends",
            )
        try:
            _ = found.document
        except ValueError as error:
            raise PassingError(f"{self.host} sent a manifest of {name} that is not JSON") from error


class _Body:
    """A file as the body of a request: with a length, so that it is not sent in HTTP's chunks.

    It is iterated over, not read: urllib3 would read 16 KB at a time.
    """

    def __init__(self, file: IO[bytes], size: int, tell: Callable[[int], None]) -> None:
        self._file = file
        self._size = size
        self._tell = tell
        self._sent = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._file.read(CHUNK):
            yield chunk
            self._sent += len(chunk)
            self._tell(self._sent)


def pull(repository: str) -> str:
    return f"repository:{repository}:pull"


def push(repository: str) -> str:
    return f"repository:{repository}:pull,push"


def _with_query(url: str, **more: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query=urlencode([*parse_qsl(parts.query), *more.items()])))


def _json(answer: requests.Response) -> Any:
    try:
        return json.loads(answer.content)
    except ValueError as error:
        raise ToolError(f"{answer.url} is not JSON", hint="is this a registry?") from error
