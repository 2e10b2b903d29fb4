"""Tar archives: written for a container, and read from one without keeping large files."""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
import time
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from buildkit.contract.engine import Entry
from buildkit.support import streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

CHUNK = 1024 * 1024
IN_MEMORY = 64 * 1024 * 1024
"""Bytes above which an archive is on disk."""
KEPT_FILE = 64 * 1024
KEPT_FILES = 8 * 1024 * 1024
"""Bytes to keep of one file and of all files: enough for every file that the suite reads."""
LARGEST = 8 * 1024**3
MOST = 100_000
MOST_SECONDS = 600
"""Bytes, members and seconds after which a tree counts as endless; the time only ends a hang."""


KINDS = {
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "link",
    tarfile.FIFOTYPE: "pipe",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
}


class Archive:
    """A tar archive to write: everything belongs to root, folders 0755, files 0644 (TREE-05)."""

    def __init__(self) -> None:
        self._buffer = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        self._tar = tarfile.open(fileobj=self._buffer, mode="w")  # noqa: SIM115 - by `chunks`

    def folder(self, name: str, mode: int = 0o755) -> None:
        self._add(name, tarfile.DIRTYPE, mode)

    def fifo(self, name: str) -> None:
        self._add(name, tarfile.FIFOTYPE, 0o644)

    def link(self, name: str, target: str) -> None:
        self._add(name, tarfile.SYMTYPE, 0o777, target)

    def file(self, name: str, content: bytes, mode: int = 0o644) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), mode
        self._tar.addfile(member, io.BytesIO(content))

    def tree(self, name: str, path: Path) -> None:
        """A folder with everything below it, or a folder with one file."""
        self.folder(name)
        if path.is_file():
            self._copy(f"{name}/{path.name}", path)
            return
        for child in sorted(path.rglob("*")):
            inner = f"{name}/{child.relative_to(path).as_posix()}"
            if child.is_dir():
                self.folder(inner)
            elif child.is_file():
                self._copy(inner, child)

    def chunks(self) -> Iterator[bytes]:
        """The whole archive. It can be read only once."""
        self._tar.close()
        with self._buffer as buffer:
            buffer.seek(0)
            while chunk := buffer.read(CHUNK):
                yield chunk

    def _copy(self, name: str, path: Path) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = path.stat().st_size, 0o644
        with path.open("rb") as file:
            self._tar.addfile(member, file)

    def _add(self, name: str, kind: bytes, mode: int, target: str = "") -> None:
        member = tarfile.TarInfo(name)
        member.type, member.mode, member.linkname = kind, mode, target
        self._tar.addfile(member)


def _opened(chunks: Iterable[bytes]) -> tarfile.TarFile:
    """An archive that is read once, in order."""
    return tarfile.open(fileobj=streams.file(_limited(chunks)), mode="r|")


def _limited(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same chunks, up to a limit of size and time."""
    left, until = LARGEST, time.monotonic() + MOST_SECONDS
    for chunk in chunks:
        left -= len(chunk)
        if left < 0 or time.monotonic() > until:
            raise tarfile.ReadError("the tree is too large to be read")
        yield chunk


def members(chunks: Iterable[bytes] | None) -> tuple[Entry, ...]:
    """The members of an archive, in order; none for None. Raises tarfile.TarError."""
    return () if chunks is None else tuple(_members(chunks))


def _members(chunks: Iterable[bytes]) -> Iterator[Entry]:
    kept = 0
    with _opened(chunks) as source:
        for number, member in enumerate(source):
            if number >= MOST:
                raise tarfile.ReadError("the tree has too many files")
            content, digest = None, ""
            if member.isfile() and (file := source.extractfile(member)) is not None:
                total = hashlib.sha256()
                if member.size <= KEPT_FILE and kept + member.size <= KEPT_FILES:
                    content = file.read()
                    kept += member.size
                    total.update(content)
                else:
                    while part := file.read(CHUNK):
                        total.update(part)
                digest = total.hexdigest()
            yield Entry(
                name=member.name,
                kind="file" if member.isfile() else KINDS.get(member.type, "other"),
                size=member.size,
                mode=member.mode,
                target=member.linkname,
                digest=digest,
                modified=float(member.mtime),
                content=content,
            )


def repack(chunks: Iterable[bytes] | None, target: Path, largest: int) -> None:
    """Write the files and folders of a folder's archive as a .tar.gz, with relative names.

    An archive of more than `largest` bytes, or one that cannot be read, leaves no file.
    """
    left = largest
    try:
        with (
            _opened(chunks or ()) as source,
            tarfile.open(target, mode="w:gz", compresslevel=1) as packed,
        ):
            for number, member in enumerate(source):
                left -= member.size
                if left < 0 or number >= MOST:
                    raise tarfile.ReadError("the tree is too large to be kept")
                name = PurePosixPath(*PurePosixPath(member.name).parts[1:])
                if name.is_absolute() or ".." in name.parts or not name.parts:
                    continue
                if member.isfile() or member.isdir():
                    file = source.extractfile(member)
                    packed.addfile(member.replace(name=str(name), uname="", gname=""), file)
    except tarfile.TarError:
        target.unlink(missing_ok=True)


def head(chunks: Iterable[bytes] | None, size: int) -> bytes:
    """The beginning of the one file that an archive holds, without reading the rest."""
    if chunks is None:
        return b""
    try:
        with _opened(chunks) as source:
            member = source.next()
            file = None if member is None else source.extractfile(member)
            return b"" if file is None else file.read(size)
    except tarfile.TarError:
        return b""
