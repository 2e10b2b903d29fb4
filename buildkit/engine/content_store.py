"""The content store of an engine, read blob by blob.

`docker save` exports whole images, with the layers that a registry already has, and takes ten times
the processor time, because it reads 32 KB at a time through containerd's API. So the files of the
store are read instead: directly, if this process may (root beside the engine); else from containers
that are never started and have the folder of the blobs mounted read-only. If an engine refuses the
mount, or keeps its blobs elsewhere, it has no store that can be read.
"""

from __future__ import annotations

import http.client
import os
import tarfile
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import IO, TYPE_CHECKING

import urllib3.exceptions

from buildkit.engine.calls import BUILD, FAILURES, translated
from buildkit.support import streams
from buildkit.support.errors import ToolError
from buildkit.system import stopping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.engine.containers import Reader
    from buildkit.engine.engine import Engine

BLOBS = "io.containerd.content.v1.content/blobs"
FOLDERS = (
    "{root}/containerd/daemon",  # dockerd's own containerd, also a rootless one's
    "/var/lib/containerd",  # the system's
    "/var/lib/desktop-containerd/daemon",  # in Docker Desktop's machine
)
"""Where containerd keeps its state; BLOBS is below."""
BLOCK = tarfile.BLOCKSIZE
CHUNK = 1 << 16
"""Bytes that are read at a time, as many as an upload sends at a time."""
READERS = 8
"""Containers that read at the same time: an engine copies one file at a time out of each."""
WAIT_SECONDS = 1
"""Between two checks whether the run is being stopped, while all readers are busy."""
BROKEN = (
    *FAILURES,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    tarfile.TarError,
)


@dataclass(kw_only=True)
class Store:
    """Blobs of images, for several threads."""

    engine: Engine
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _source: _Files | _Readers | None = None
    _searched: bool = False

    def close(self) -> None:
        if self._source is not None:
            self._source.close()

    def read(self, image: str, digest: str) -> bytes | None:
        """A small blob of an image, None if the engine's store cannot be read.

        Raises ToolError, also for an image that was removed, whose blobs may exist for a while.
        """
        with translated(f"reading the image `{image}`", without_image=BUILD):
            self.engine.client.images.get(image)
        with self._lock:
            if not self._searched:
                self._source, self._searched = self._find(image, _name(digest)), True
        if self._source is None:
            return None
        with self.open(image, digest) as content:
            return content.read()

    @contextmanager
    def open(self, image: str, digest: str, size: int | None = None) -> Iterator[IO[bytes]]:
        """A blob of an image, to be read once. Raises ToolError, also while it is read.

        The registry checks the digest. `size`, in bytes, is checked here: a registry would wait for
        the rest of a body that is shorter than announced.
        """
        assert self._source is not None
        with ExitStack() as opened:
            with _reported(digest):
                content, found = opened.enter_context(self._source.open(image, _name(digest)))
                if found != (size or found):
                    raise tarfile.ReadError(f"{found} bytes, but {size} in the manifest")
            yield streams.file(_content(content, found, digest))

    def _find(self, image: str, name: str) -> _Files | _Readers | None:
        """The folder that has a blob, read here or in containers; None if neither works."""
        with translated("asking the engine for its data folder"):
            root = self.engine.client.info().get("DockerRootDir", "")
        for state in FOLDERS:
            folder = f"{state.format(root=root)}/{BLOBS}"
            if os.access(f"{folder}/{name}", os.R_OK):
                return _Files(folder=folder)
            readers = _Readers(engine=self.engine, folder=folder)
            with suppress(ToolError, *BROKEN), readers.open(image, name):
                return readers
            readers.close()
        return None


@dataclass(frozen=True, kw_only=True)
class _Files:
    """The engine's files, on this machine."""

    folder: str

    @contextmanager
    def open(self, _image: str, name: str) -> Iterator[tuple[IO[bytes], int]]:
        """A blob and its size in bytes."""
        with open(f"{self.folder}/{name}", "rb") as file:  # noqa: PTH123 - the engine's path
            yield file, os.fstat(file.fileno()).st_size

    def close(self) -> None:
        pass


@dataclass(kw_only=True)
class _Readers:
    """Containers that have the folder mounted, created when they are needed."""

    engine: Engine
    folder: str
    _made: list[Reader] = field(default_factory=list)
    _idle: SimpleQueue[Reader] = field(default_factory=SimpleQueue)
    _free: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(READERS))

    @contextmanager
    def open(self, image: str, name: str) -> Iterator[tuple[IO[bytes], int]]:
        """A stream whose next bytes are the blob, and the size of the blob."""
        with self._slot(), ExitStack() as opened:
            reader, archive = self._begin(image, name, opened)
            try:
                yield archive, _size(archive)
            finally:
                self._idle.put(reader)

    def close(self) -> None:
        for each in self._made:
            each.remove()

    def _begin(self, image: str, name: str, opened: ExitStack) -> tuple[Reader, IO[bytes]]:
        with suppress(Empty):
            idle = self._idle.get_nowait()
            try:
                return idle, opened.enter_context(idle.copy(name))
            except ToolError:  # `docker container prune` removes such containers
                idle.remove()
        new = self.engine.reader(image, self.folder)
        self._made.append(new)
        return new, opened.enter_context(new.copy(name))

    @contextmanager
    def _slot(self) -> Iterator[None]:
        """Wait for a free container. Raises Interrupted when the run is being stopped."""
        while not self._free.acquire(timeout=WAIT_SECONDS):
            stopping.check()
        try:
            yield
        finally:
            self._free.release()


def _content(source: IO[bytes], size: int, digest: str) -> Iterator[bytes]:
    """The next `size` bytes of a stream in chunks. Raises ToolError, with the digest of the blob.

    `tarfile` has a file for this, but copies every byte three times.
    """
    with _reported(digest):
        while size:
            chunk = source.read(min(size, CHUNK))
            if not chunk:
                raise tarfile.ReadError(f"cut off, {size} bytes are missing")
            size -= len(chunk)
            yield chunk


def _name(digest: str) -> str:
    return digest.replace(":", "/")


def _size(archive: IO[bytes]) -> int:
    """Read up to the content of the only file of an archive; its size in bytes."""
    while True:
        member = tarfile.TarInfo.frombuf(archive.read(BLOCK), tarfile.ENCODING, "strict")
        if member.isreg():
            return member.size
        archive.read(-(-member.size // BLOCK) * BLOCK)  # Go's own header for a file


@contextmanager
def _reported(digest: str) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        stopping.check()
        raise ToolError(
            f"the engine's copy of {digest} cannot be read: {error}",
            hint="check the engine with `buildkit doctor`, then rerun the command",
        ) from error
