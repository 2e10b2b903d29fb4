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
from typing import IO, TYPE_CHECKING, Protocol, cast

import urllib3.exceptions

from buildkit.engine.calls import FAILURES, translated
from buildkit.support.errors import ToolError
from buildkit.system import stopping

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from buildkit.engine.holder import Holder
    from buildkit.engine.sandbox import Sandbox

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
WAIT_SECONDS = 1
"""Between two looks at whether the run has ended, while all of them are in use."""
BROKEN = (
    *FAILURES,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    tarfile.TarError,
)


class Source(Protocol):
    """Where blobs come from: what comes next is the blob, and so many bytes long."""

    def open(self, image: str, name: str) -> AbstractContextManager[tuple[IO[bytes], int]]: ...

    def close(self) -> None: ...


@dataclass(kw_only=True)
class Store:
    """Blobs of images, for several threads."""

    sandbox: Sandbox
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _source: Source | None = None
    _looked: bool = False

    def close(self) -> None:
        if self._source is not None:
            self._source.close()

    def read(self, image: str, digest: str) -> bytes | None:
        """A small blob of an image, None if there is no store to be read.

        Raises ToolError, also for an image that was removed: its blobs may stay for a while.
        """
        with translated(f"reading the image `{image}`"):
            self.sandbox.client.images.get(image)
        with self._lock:
            if not self._looked:
                self._source, self._looked = self._find(image, _name(digest)), True
        if self._source is None:
            return None
        with self.open(image, digest) as content:
            return content.read()

    @contextmanager
    def open(self, image: str, digest: str, size: int | None = None) -> Iterator[IO[bytes]]:
        """A blob of an image, once, from its start. Raises ToolError, also while it is read.

        The registry compares what it gets with the digest. `size`, in bytes, is compared here:
        a body that is shorter than was said would be waited for.
        """
        assert self._source is not None
        with ExitStack() as opened:
            with _told(digest):
                content, found = opened.enter_context(self._source.open(image, _name(digest)))
                if found != (size or found):
                    raise tarfile.ReadError(f"it has {found} bytes, in its manifest {size}")
            yield cast("IO[bytes]", _Blob(content, found, digest))

    def _find(self, image: str, name: str) -> Source | None:
        """The folder that has a blob, and may be read here or mounted."""
        with translated("asking the engine for its folder"):
            root = self.sandbox.client.info().get("DockerRootDir", "")
        for state in FOLDERS:
            folder = f"{state.format(root=root)}/{BLOBS}"
            if os.access(f"{folder}/{name}", os.R_OK):
                return _Files(folder=folder)
            readers = _Readers(sandbox=self.sandbox, folder=folder)
            with suppress(ToolError, *BROKEN), readers.open(image, name):
                return readers
            readers.close()
        return None


@dataclass(frozen=True, kw_only=True)
class _Files:
    """The engine's own files, on this machine."""

    folder: str

    @contextmanager
    def open(self, _image: str, name: str) -> Iterator[tuple[IO[bytes], int]]:
        with open(f"{self.folder}/{name}", "rb") as file:  # noqa: PTH123 - the engine's path
            yield file, os.fstat(file.fileno()).st_size

    def close(self) -> None:
        pass


@dataclass(kw_only=True)
class _Readers:
    """Containers that hold the folder, made when they are needed."""

    sandbox: Sandbox
    folder: str
    _made: list[Holder] = field(default_factory=list)
    _idle: SimpleQueue[Holder] = field(default_factory=SimpleQueue)
    _free: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(READERS))

    @contextmanager
    def open(self, image: str, name: str) -> Iterator[tuple[IO[bytes], int]]:
        with self._slot(), ExitStack() as opened:
            reader, archive = self._begin(image, name, opened)
            try:
                yield archive, _size(archive)
            finally:
                self._idle.put(reader)

    def close(self) -> None:
        for each in self._made:
            each.remove()

    def _begin(self, image: str, name: str, opened: ExitStack) -> tuple[Holder, IO[bytes]]:
        with suppress(Empty):
            idle = self._idle.get_nowait()
            try:
                return idle, opened.enter_context(idle.copy(name))
            except ToolError:  # `docker container prune` takes what never ran
                idle.remove()
        new = self.sandbox.holder(image, self.folder)
        self._made.append(new)
        return new, opened.enter_context(new.copy(name))

    @contextmanager
    def _slot(self) -> Iterator[None]:
        """Wait for a container that is free, or for the end of the run."""
        while not self._free.acquire(timeout=WAIT_SECONDS):
            stopping.check()
        try:
            yield
        finally:
            self._free.release()


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
        stopping.check()
        raise ToolError(
            f"the engine does not hand out {digest}: {error}",
            hint="`docker info` tells whether the engine is well; then the same command again",
        ) from error
