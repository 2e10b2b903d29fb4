"""The content store of an engine, blob by blob: nothing is read that nobody asked for.

`docker save` hands out whole images, also the layers that a registry has already, and takes ten
times the processor time: it reads 32 KB at a time through containerd's API. So the folder of the
blobs is mounted, read-only, into containers that are never started, and files are copied out of
those. An engine may refuse that, or keep its blobs elsewhere: then it has no store to be read.
"""

from __future__ import annotations

import http.client
import io
import tarfile
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import IO, TYPE_CHECKING, cast

import urllib3.exceptions

from buildkit.containers import FAILURES, translated
from buildkit.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.holder import Holder
    from buildkit.sandbox import Sandbox

BLOBS = "io.containerd.content.v1.content/blobs"
FOLDERS = (
    "{root}/containerd/daemon",  # dockerd's own containerd, also a rootless one's
    "/var/lib/containerd",  # the system's
    "/var/lib/desktop-containerd/daemon",  # in Docker Desktop's machine
)
"""Where containerd keeps its state; the rest of the path is containerd's own."""
CHUNK = 1 << 20
READERS = 8
"""Containers: an engine reads one file at a time out of each."""
BROKEN = (
    *FAILURES,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    tarfile.TarError,
)


@dataclass(kw_only=True)
class Store:
    """Blobs of images, for several threads. Containers are made when they are needed."""

    sandbox: Sandbox
    _made: list[Holder] = field(default_factory=list)
    _idle: SimpleQueue[Holder] = field(default_factory=SimpleQueue)
    _free: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(READERS))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _folder: str | None = None
    _looked: bool = False

    def close(self) -> None:
        for each in self._made:
            each.remove()

    def read(self, image: str, digest: str) -> bytes | None:
        """A small blob of an image, None if there is no store to be read. Raises ToolError."""
        with self._lock:
            if not self._looked:
                self._folder, self._looked = self._find(image, digest), True
        if self._folder is None:
            return None
        with self.open(image, digest) as content:
            return content.read()

    @contextmanager
    def open(self, image: str, digest: str, size: int | None = None) -> Iterator[IO[bytes]]:
        """A blob of an image, once, from its start. Raises ToolError, also while it is read.

        The registry compares what it gets with the digest. `size`, in bytes, is compared here:
        a body that is shorter than was said would be waited for.
        """
        with self._free, self._reader(image) as reader, ExitStack() as opened:
            with _told(digest):
                copy = opened.enter_context(reader.copy(_path(digest)))
                tar = opened.enter_context(tarfile.open(fileobj=copy, mode="r|", bufsize=CHUNK))
                member = tar.next()
                content = tar.extractfile(member) if member else None
                if member is None or content is None or member.size != (size or member.size):
                    raise tarfile.ReadError("it is not as long as the manifest says")
            yield cast("IO[bytes]", _Blob(content, digest))

    @contextmanager
    def _reader(self, image: str) -> Iterator[Holder]:
        try:
            reader = self._idle.get_nowait()
        except Empty:
            reader = self._make(image, self._folder or "")
        try:
            yield reader
        finally:
            self._idle.put(reader)

    def _find(self, image: str, digest: str) -> str | None:
        """The folder that has a blob, where the engine lets it be mounted."""
        with translated("asking the engine for its folder"):
            root = self.sandbox.client.info().get("DockerRootDir", "")
        for state in FOLDERS:
            folder = f"{state.format(root=root)}/{BLOBS}"
            with suppress(ToolError):
                reader = self._make(image, folder)
                with reader.copy(_path(digest)):
                    self._idle.put(reader)
                    return folder
        return None

    def _make(self, image: str, folder: str) -> Holder:
        reader = self.sandbox.holder(image, folder)
        self._made.append(reader)
        return reader


class _Blob(io.RawIOBase):
    """What the engine hands out, as a file that can be read once; where it breaks is told."""

    def __init__(self, content: IO[bytes], digest: str) -> None:
        self._content = content
        self._digest = digest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        with _told(self._digest):
            return self._content.read(size)


@contextmanager
def _told(digest: str) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        raise ToolError(
            f"the engine does not hand out {digest}: {error}",
            hint="`docker info` tells whether the engine is well; then the same command again",
        ) from error


def _path(digest: str) -> str:
    return digest.replace(":", "/")
