"""Tar archives: written for a container, and read from one without keeping large files."""

from __future__ import annotations

import copy
import hashlib
import io
import shutil
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from buildkit.contract.engine import Entry
from buildkit.support import streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

TOO_LARGE = "the tree is too large to be kept"
PAX = frozenset({"path", "linkpath", "uid", "gid", "uname", "gname"})
"""Headers that repeat what a member is called, and whose it is."""
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

    def packed(self, name: str, path: Path) -> None:
        """What a .tar.gz holds, below a folder. Raises as `unpack` does."""
        self.folder(name)
        with tarfile.open(path) as source:
            for member in source:
                if (inner := _within(member)) is not None:
                    linked = f"{name}/{inner.linkname}" if member.islnk() else inner.linkname
                    file = source.extractfile(member) if member.isreg() else None
                    self._tar.addfile(_called(inner, f"{name}/{inner.name}", linked), file)

    def discard(self) -> None:
        """Close an archive that nobody reads."""
        self._tar.close()
        self._buffer.close()

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


def _opened(
    chunks: Iterable[bytes], largest: int = 0, seconds: float = MOST_SECONDS
) -> tarfile.TarFile:
    """An archive that is read once, in order."""
    return tarfile.open(fileobj=streams.file(_limited(chunks, largest, seconds)), mode="r|")


def _limited(chunks: Iterable[bytes], largest: int, seconds: float) -> Iterator[bytes]:
    """The same chunks, up to a limit of time, and of size: `largest`, but not less than LARGEST."""
    left, until = max(largest, LARGEST), time.monotonic() + seconds
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


@dataclass(frozen=True, kw_only=True)
class Packed:
    """What `pack` wrote: the number of files, their bytes, and the names that were left out.

    `outside` are links that lead out of the folder, and devices; `twice` are files that an earlier
    archive has with another content.
    """

    files: int
    size: int
    outside: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()


def pack(
    sources: Iterable[Iterable[bytes]],
    target: Path,
    largest: int = LARGEST,
    *,
    most: int = MOST,
    seconds: float = MOST_SECONDS,
) -> Packed:
    """Write what archives of one folder hold as one .tar.gz, with names relative to the folder.

    Raises tarfile.TarError for more than `largest` bytes, `most` members of an archive or `seconds`
    of reading it, and for one that cannot be read.
    """
    size, outside, twice = 0, [], []
    seen: dict[str, str] = {}
    with tarfile.open(target, mode="w:gz", compresslevel=1) as packed:
        for source, member in _every_member(sources, largest, most, seconds):
            size += member.size
            if size > largest:
                raise tarfile.ReadError(TOO_LARGE)
            parts = PurePosixPath(member.name).parts
            if (inner := _within(member, parts[:1])) is None:
                outside += [member.name] if len(parts) > 1 else []
                continue
            if inner.islnk() and inner.linkname not in seen:  # to what is left out
                outside.append(member.name)
                continue
            file = _Read(source.extractfile(member) if member.isreg() else None)
            if inner.name not in seen:
                packed.addfile(inner, cast("IO[bytes]", file))
                seen[inner.name] = file.rest()
            elif file.rest() != seen[inner.name]:
                twice.append(inner.name)
    files = sum(digest != "" for digest in seen.values())
    return Packed(files=files, size=size, outside=tuple(outside), twice=tuple(twice))


def _every_member(
    sources: Iterable[Iterable[bytes]], largest: int, most: int, seconds: float
) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """The members of all archives, each with its archive, which is read in order."""
    for chunks in sources:
        with _opened(chunks, largest, seconds) as source:
            for number, member in enumerate(source):
                if number >= most:
                    raise tarfile.ReadError(TOO_LARGE)
                yield source, member


class _Read:
    """A file that is read once, and then has a digest; None is no file, whose digest is empty."""

    def __init__(self, file: IO[bytes] | None) -> None:
        self._file = file
        self._total = hashlib.sha256()

    def read(self, size: int) -> bytes:
        part = b"" if self._file is None else self._file.read(size)
        self._total.update(part)
        return part

    def rest(self) -> str:
        """Read what is left. Returns the digest of all."""
        while self.read(CHUNK):
            pass
        return "" if self._file is None else self._total.hexdigest()


def _within(member: tarfile.TarInfo, top: tuple[str, ...] = ()) -> tarfile.TarInfo | None:
    """A member by its name below `top`, owned by root. None if it or its link leads elsewhere."""
    name = _below(member.name, top)
    if name is None or not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        return None
    linked: str | None = member.linkname
    if member.islnk():
        linked = _below(member.linkname, top)
    elif member.issym() and not _stays(name, member.linkname):
        linked = None
    return None if linked is None else _called(member, name, linked)


def _called(member: tarfile.TarInfo, name: str, linked: str) -> tarfile.TarInfo:
    """A member by another name, owned by root. `TarInfo.replace` is new in Python 3.11.4."""
    found = copy.copy(member)
    found.name, found.linkname = name, linked
    found.uid = found.gid = 0
    found.uname = found.gname = ""
    # The header of a long name would come before the new name.
    found.pax_headers = {key: value for key, value in member.pax_headers.items() if key not in PAX}
    return found


def _below(name: str, top: tuple[str, ...]) -> str | None:
    parts = PurePosixPath(name).parts
    if parts[: len(top)] != top:
        return None
    inner = PurePosixPath(*parts[len(top) :])
    return None if inner.is_absolute() or ".." in inner.parts or not inner.parts else str(inner)


def _stays(name: str, linked: str) -> bool:
    """Whether a link leads to a place in its tree, whichever links that place is below."""
    parts, depth = PurePosixPath(linked).parts, len(PurePosixPath(name).parts) - 1
    up = next((number for number, part in enumerate(parts) if part != ".."), len(parts))
    return up <= depth and not linked.startswith("/") and ".." not in parts[up:]


def unpack(path: Path, folder: Path) -> int:
    """Write the files of a .tar.gz below a folder. Returns the number of links, which are left out.

    Raises tarfile.TarError, and the errors of a broken gzip file.
    """
    links = 0
    with tarfile.open(path) as source:
        for member in source:
            inner = _within(member)
            if inner is None or member.issym():
                links += 1
            elif member.isdir():
                (folder / inner.name).mkdir(parents=True, exist_ok=True)
            elif (file := _extracted(source, member)) is None:
                links += 1
            else:
                (folder / inner.name).parent.mkdir(parents=True, exist_ok=True)
                with (folder / inner.name).open("wb") as written:
                    shutil.copyfileobj(file, written)
    return links


def _extracted(source: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes] | None:
    """The content of a file, or None if it is a hard link to what the archive lacks."""
    try:
        return source.extractfile(member)
    except KeyError:
        return None


def repack(chunks: Iterable[bytes] | None, target: Path, largest: int) -> None:
    """The same for one archive. One that is too large, or cannot be read, leaves no file."""
    try:
        pack([chunks or ()], target, largest)
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
