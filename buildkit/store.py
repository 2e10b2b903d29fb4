"""The content store of an engine, blob by blob: nothing is read that nobody asked for.

`docker save` hands out whole images, also the layers that a registry has already, and takes ten
times the processor time: it reads 32 KB at a time through containerd's API. The files themselves
are read instead: here, if this process may (root beside the engine); else the folder of the blobs
is mounted, read-only, into containers that are never started, and files are copied out of those.
An engine may refuse that, or keep its blobs elsewhere: then it has no store to be read.
"""

from __future__ import annotations

import http.client
import io
import os
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
BLOCK = tarfile.BLOCKSIZE
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
        """A small blob of an image, None if there is no store to be read.

        Raises ToolError, also for an image that was removed: its blobs may stay for a while.
        """
        with translated(f"reading the image `{image}`"):
            self.sandbox.client.images.get(image)
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
        with self._free, ExitStack() as opened:
            with _told(digest):
                content, found = opened.enter_context(self._source(image, digest))
                if found != (size or found):
                    raise tarfile.ReadError(f"it has {found} bytes, in its manifest {size}")
            yield cast("IO[bytes]", _Blob(content, found, digest))

    @contextmanager
    def _source(self, image: str, digest: str) -> Iterator[tuple[IO[bytes], int]]:
        """Where the bytes of a blob come next, and how many."""
        path = f"{self._folder}/{_name(digest)}"
        if os.access(path, os.R_OK):
            with open(path, "rb") as file:  # noqa: PTH123 - the engine's path, not ours
                yield file, os.fstat(file.fileno()).st_size
        else:
            with self._reader(image) as reader, reader.copy(_name(digest)) as archive:
                yield archive, _size(archive)

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
        """The folder that has a blob, and may be read here or mounted."""
        with translated("asking the engine for its folder"):
            root = self.sandbox.client.info().get("DockerRootDir", "")
        for state in FOLDERS:
            folder = f"{state.format(root=root)}/{BLOBS}"
            if os.access(f"{folder}/{_name(digest)}", os.R_OK):
                return folder
            with suppress(ToolError):
                reader = self._make(image, folder)
                with reader.copy(_name(digest)):
                    self._idle.put(reader)
                    return folder
        return None

    def _make(self, image: str, folder: str) -> Holder:
        reader = self.sandbox.holder(image, folder)
        self._made.append(reader)
        return reader


class _Blob(io.RawIOBase):
    """So many bytes that come next, as a file that can be read once; where it breaks is told.

    Not tarfile's own: that copies every byte three times.
    """

    def __init__(self, source: IO[bytes], size: int, digest: str) -> None:
        self._source = source
        self._left = size
        self._digest = digest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        with _told(self._digest):
            wanted = self._left if size < 0 else min(size, self._left)
            chunk = self._source.read(wanted)
            self._left -= len(chunk)
            if len(chunk) < wanted:
                raise tarfile.ReadError(f"it is cut off, {self._left} bytes are missing")
        return chunk


def _name(digest: str) -> str:
    return digest.replace(":", "/")


def _size(archive: IO[bytes]) -> int:
    """Read up to the content of a file that is alone in an archive; the size of it in bytes."""
    while True:
        member = tarfile.TarInfo.frombuf(archive.read(BLOCK), tarfile.ENCODING, "strict")
        if member.isreg():
            return member.size
        archive.read(-(-member.size // BLOCK) * BLOCK)  # what Go says of a file before it


@contextmanager
def _told(digest: str) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        raise ToolError(
            f"the engine does not hand out {digest}: {error}",
            hint="`docker info` tells whether the engine is well; then the same command again",
        ) from error
