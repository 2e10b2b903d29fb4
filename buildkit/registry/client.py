"""What a registry can do: manifests, tags, blobs (OCI distribution specification 1.1)."""

from __future__ import annotations

import hashlib
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from buildkit.registry import answers, exchange, links, shapes
from buildkit.registry.exchange import PassingError
from buildkit.registry.manifests import EVERY_TYPE, Manifest, digest_of
from buildkit.registry.wire import RefusedError
from buildkit.support import streams
from buildkit.support.errors import ToolError
from buildkit.system import stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from urllib3 import HTTPResponse

    from buildkit.registry.answers import Answer
    from buildkit.registry.wire import Wire

Found = TypeVar("Found")
ABSENT = (404,)
CREATED, ACCEPTED = 201, 202
CHECKS = 3
"""Attempts to reach a registry at the start, when no work can be lost yet."""
PAGE = 1000
MOST_TAGS = 1_000_000
"""In a repository: ten times ECR's limit. A registry with more of them does not stop."""
MOST_PAGES = 1000
"""Of tags: ECR allows a hundred thousand, and the smallest pages have a hundred."""
MEETINGS = 3
"""Times that an upload may collide with another one of the same blob."""
MET = "DIGEST_INVALID"
"""The registry's error code then; also for content with another digest."""
WORTH_TELLING = 10_000_000
"""Bytes."""
CHUNK = 1 << 16
"""Bytes per chunk of an upload; larger chunks would be allocated by the kernel each time."""
DOWNLOAD_CHUNK = 1 << 20

NO_PROXY = "check for a proxy that changes the registry's answers"


@dataclass(frozen=True, kw_only=True)
class Blob:
    """A layer or a configuration. `size` in bytes; `open` makes it readable from its start."""

    digest: str
    size: int
    open: Callable[[], AbstractContextManager[IO[bytes]]]

    @property
    def is_large(self) -> bool:
        """Whether progress lines should mention the blob."""
        return self.size >= WORTH_TELLING


@dataclass(frozen=True, kw_only=True)
class Registry:
    """One registry. Each call retries passing errors, then raises ToolError."""

    wire: Wire

    @property
    def host(self) -> str:
        return self.wire.host

    def check(self) -> None:
        """Raise ToolError if the registry does not answer, refuses the login, or is none."""
        answer = self.wire.again(
            lambda: self.wire.send("GET", self.wire.root, absent=ABSENT), attempts=CHECKS
        )
        if answer is not None:
            self._refuse_page(answer)

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """The manifest under a tag or digest, None if not found."""

        def read() -> Manifest | None:
            answer = self.wire.send(
                "GET",
                f"{repository}/manifests/{reference}",
                scope=pull(repository),
                headers={"Accept": ", ".join(EVERY_TYPE)},
                absent=ABSENT,
                most=answers.MANIFEST_BYTES,
            )
            if answer is None:
                return None
            found = Manifest(media_type=answer.media_type, content=answer.content)
            self._check(repository, reference, found, answer)
            return found

        return self.wire.again(read)

    def digest(self, repository: str, reference: str) -> str | None:
        """The digest under a tag, None if not found. Docker Hub counts no such request as a pull.

        The registry's word counts for a manifest: a pull by that digest checks it. An answer of
        another type may be that of a proxy, so the manifest is read.
        """
        answer = self.ask(
            "HEAD",
            f"{repository}/manifests/{reference}",
            scope=pull(repository),
            headers={"Accept": ", ".join(EVERY_TYPE)},
            absent=ABSENT,
        )
        if answer is None:
            return None
        named = answer.headers.get("Docker-Content-Digest", "")
        if answer.media_type in EVERY_TYPE and shapes.DIGEST.fullmatch(named):
            return named
        found = self.manifest(repository, reference)
        return found.digest if found else None

    def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> None:
        """Store a manifest under its digest, or tag it."""
        self.ask(
            "PUT",
            f"{repository}/manifests/{reference}",
            scope=push(repository),
            headers={"Content-Type": manifest.media_type},
            body=manifest.content,
        )

    def tags(self, repository: str) -> tuple[str, ...]:
        """All tags of a repository; none if the repository does not exist.

        A page may be empty, or repeat tags of earlier ones; one that links to itself is the last.
        Raises ToolError if the registry's list does not end.
        """
        found: dict[str, None] = {}
        pages: set[str] = set()
        page = links.resolved(self.wire.root, f"{repository}/tags/list?n={PAGE}")
        while page:
            pages.add(page)
            absent = ABSENT if len(pages) == 1 else ()
            answer = self.ask(
                "GET", page, scope=pull(repository), absent=absent, most=answers.TAGS_BYTES
            )
            if answer is None:
                break
            found.update(dict.fromkeys(answer.read(shapes.Tags).tags or ()))
            last, page = page, self._beside(answer, answer.next)
            asked = answer.asked
            if page == last:
                break
            if page in pages:
                raise answers.strange(self.host, asked, "a next page that was read already")
            if len(found) > MOST_TAGS:
                raise answers.strange(self.host, asked, f"more than {MOST_TAGS} tags")
            if page and len(pages) == MOST_PAGES:
                raise answers.strange(self.host, asked, f"more than {MOST_PAGES} pages of tags")
        return tuple(found)

    def config(self, repository: str, digest: str) -> shapes.Configuration:
        """The configuration of an image, checked against its digest."""
        answer = self.ask(
            "GET",
            f"{repository}/blobs/{digest}",
            scope=pull(repository),
            absent=ABSENT,
            most=answers.CONFIG_BYTES,
        )
        if answer is None or digest_of(answer.content) != digest:
            raise ToolError(
                f"{self.host}/{repository} does not hold the configuration {digest}",
                hint="the blob was removed or changed: publish the image again",
            )
        return answer.read(shapes.Configuration)

    def has(self, repository: str, digest: str) -> bool:
        """Whether a repository holds a blob."""
        path = f"{repository}/blobs/{digest}"
        return self.ask("HEAD", path, scope=pull(repository), absent=ABSENT) is not None

    def mount(self, repository: str, digest: str, sister: str) -> bool:
        """Mount a blob from another repository; False if the registry does not allow that."""
        answer = self.ask(
            "POST",
            f"{repository}/blobs/uploads/?{urlencode({'mount': digest, 'from': sister})}",
            scope=f"{push(repository)} {pull(sister)}",
            # A registry without mounts starts an upload instead, or refuses.
            absent=(400, 403, 404, 405),
        )
        if answer is None:
            return False
        if answer.status == ACCEPTED:
            self._cancel(repository, answer)
        return answer.status == CREATED

    def upload(
        self, repository: str, blob: Blob, progress: Callable[[int], None] = lambda _sent: None
    ) -> None:
        """Upload a blob; `progress` is called with the number of bytes sent so far.

        All in one request, as containerd does: a registry hashes the parts of an upload twice. A
        broken upload starts over: not all registries accept parts. So does one that collides with
        another upload of the same blob: the registry may be known by two names.
        """
        met = 0

        @contextmanager
        def body() -> Iterator[_Body]:
            with blob.open() as file:
                yield _Body(file, blob.size, progress)

        def whole() -> None:
            nonlocal met
            if met and self.has(repository, blob.digest):
                return
            try:
                self._upload(repository, blob.digest, body)
            except RefusedError as error:
                met += 1
                if MET not in error.codes or met > MEETINGS:
                    raise
                raise PassingError(error.message, hint=error.hint) from error

        self.wire.again(whole)

    def _upload(
        self, repository: str, digest: str, body: Callable[[], AbstractContextManager[_Body]]
    ) -> None:
        scope = push(repository)
        begun = self.wire.send("POST", f"{repository}/blobs/uploads/", scope=scope)
        assert begun is not None
        sent = self.wire.send(
            "PUT",
            links.with_query(self._location(begun), urlencode({"digest": digest})),
            scope=scope,
            headers={"Content-Type": "application/octet-stream"},
            body=body,
            absent=ABSENT,
        )
        if sent is None:  # a lost upload is started again
            raise PassingError(f"{self.host} no longer knows the upload of {digest}")

    def download(
        self,
        repository: str,
        digest: str,
        size: int,
        work: Callable[[IO[bytes]], Found],
        progress: Callable[[int], None] = lambda _come: None,
    ) -> Found:
        """Do `work` on the `size` bytes of a blob; start over if the connection breaks.

        `progress` is called with the number of bytes that have come so far. The blob is never held
        as a whole. Raises ToolError, also for content with another digest: then the result of
        `work` does not count.
        """
        path = f"{repository}/blobs/{digest}"

        def whole() -> Found:
            with self.wire.stream(path, scope=pull(repository), absent=ABSENT) as answer:
                if answer is None:
                    raise ToolError(
                        f"{self.host}/{repository} does not hold {digest}",
                        hint="the blob was removed: publish the image again",
                    )
                with answers.usable(self.host, f"GET /v2/{path}"):
                    answers.check_length(answer.headers, size)
                chunks = self._chunks(answer.raw, digest, size, progress)
                try:
                    return work(streams.file(chunks))
                finally:  # the digest matters more than an error of `work`
                    deque(chunks, maxlen=0)

        return self.wire.again(whole)

    def _chunks(
        self, source: HTTPResponse, digest: str, size: int, progress: Callable[[int], None]
    ) -> Iterator[bytes]:
        """A blob in chunks. Raises PassingError, also at the end of a blob with another digest.

        It ends one byte after the blob's size: a longer answer has another digest.
        """
        come, seen = 0, hashlib.sha256()
        try:
            while chunk := source.read(min(DOWNLOAD_CHUNK, size + 1 - come)):
                come += len(chunk)
                seen.update(chunk)
                progress(come)
                yield chunk
        except exchange.BROKEN as error:
            stopping.check()
            message = f"the registry {self.host} stopped sending {digest}: {error}"
            raise PassingError(message) from error
        if (found := f"sha256:{seen.hexdigest()}") != digest:
            raise PassingError(f"{self.host} sent {found} instead of {digest}", hint=NO_PROXY)

    def close(self) -> None:
        self.wire.close()

    def ask(self, method: str, path: str, **options: Any) -> Answer | None:
        """Send a request, with retries; `options` are those of `Wire.send`."""
        return self.wire.again(lambda: self.wire.send(method, path, **options))

    def _cancel(self, repository: str, begun: Answer) -> None:
        """Cancel an upload. If that fails, the registry drops the upload after a while."""
        with suppress(ToolError):
            where = self._location(begun)
            self.ask("DELETE", where, scope=push(repository), absent=(*ABSENT, 405, 400))

    def _location(self, begun: Answer) -> str:
        """The address of an upload that was started."""
        with answers.usable(self.host, begun.asked, "an unusable `Location`: "):
            return links.resolved(begun.url, begun.headers.get("Location", ""))

    def _beside(self, answer: Answer, link: str) -> str:
        """The next page of an answer, "" without one. Only the registry itself may serve it."""
        if not link:
            return ""
        with answers.usable(self.host, answer.asked, "an unusable link to the next page: "):
            url = links.resolved(answer.url, link)
        if links.origin(url) != links.origin(self.wire.root):
            named = f"a next page at {links.shown(url)}, which is another host"
            raise answers.strange(self.host, answer.asked, named)
        return url

    def _refuse_page(self, answer: Answer) -> None:
        """Raise ToolError for a web page of something between here and the registry."""
        if answer.is_page:
            raise answers.strange(self.host, answer.asked, f"a web page{answer.said}")

    def _check(self, repository: str, reference: str, found: Manifest, answer: Answer) -> None:
        """Raise PassingError if a manifest is cut off, or has another digest than asked for."""
        promised = reference if reference.startswith("sha256:") else None
        promised = promised or answer.headers.get("Docker-Content-Digest")
        name = f"{self.host}/{repository}:{reference}"
        if promised and promised != found.digest:
            sent = f"{self.host} sent manifest {found.digest} of {repository}"
            raise PassingError(f"{sent} instead of {promised}", hint=NO_PROXY)
        self._refuse_page(answer)
        with answers.usable(self.host, answer.asked):
            try:
                document = found.document
            except shapes.NotJsonError as error:
                broken = f"{self.host} sent a broken manifest of {name}: {error}"
                raise PassingError(broken, hint=NO_PROXY) from error
            if found.media_type not in EVERY_TYPE and not document.is_image:
                raise ValueError(f"a document of type `{found.media_type}`, which is no manifest")


class _Body:
    """A file as the body of a request. It has a length, so HTTP does not send it in chunks.

    It is an iterable, not a file: urllib3 would read 16 KB at a time.
    """

    def __init__(self, file: IO[bytes], size: int, progress: Callable[[int], None]) -> None:
        self._file = file
        self._size = size
        self._progress = progress
        self._sent = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._file.read(CHUNK):
            yield chunk
            self._sent += len(chunk)
            self._progress(self._sent)


def pull(repository: str) -> str:
    return f"repository:{repository}:pull"


def push(repository: str) -> str:
    return f"repository:{repository}:pull,push"
