"""Layers of an image -> its packages, without running the image.

Python's distributions (packaging.python.org, "Recording installed projects") and Debian's packages
(dpkg's status file; distroless images have a folder of them). Upper layers can delete packages (OCI
image specification, "Whiteouts").
"""

from __future__ import annotations

import posixpath
import re
import tarfile
from dataclasses import dataclass
from itertools import chain, islice
from typing import IO, TYPE_CHECKING

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

DIST_INFO = re.compile(
    r"(?:.*/)?(?:site|dist)-packages/(?P<name>[^/]+)-(?P<version>[^/-]+)\.dist-info"
)
METADATA = "/METADATA"
STATUS = "var/lib/dpkg/status"
STATUSES = "var/lib/dpkg/status.d/"
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
HOLDERS = re.compile(r"lib(?:\d+)?|python[\d.]*|site-packages|dist-packages|dpkg|status(?:\.d)?")
"""Names of folders that may hold packages."""
SHALLOW = 2
"""A path with fewer slashes may hold any package."""
INSTALLED = " installed"
"""The end of a status. Without a status, as in distroless images, a package is installed."""
HEADER_LINES = 100
LONGEST_LINE = 1 << 16
BUFFER = 1 << 20


@dataclass(frozen=True, kw_only=True, order=True)
class Package:
    """`kind` is `python` or `debian`."""

    kind: str
    name: str
    version: str


Packages = dict[str, tuple[Package, ...]]
"""Packages by the file that lists them."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """The packages that one layer adds, and the paths that it hides in the layers below.

    In `emptied` folders, only the content of layers below is hidden.
    """

    packages: Mapping[str, tuple[Package, ...]]
    gone: frozenset[str]
    emptied: frozenset[str]

    @property
    def hides_unknown(self) -> bool:
        """Whether the layer may hide packages that its whiteouts do not name."""
        return any(
            HOLDERS.fullmatch(posixpath.basename(path)) or path.count("/") < SHALLOW
            for path in (*self.gone, *self.emptied)
        )

    @property
    def replaces_debian(self) -> bool:
        paths = (*self.packages, *self.gone)
        return any(path == STATUS or path.startswith(STATUSES) for path in paths)


def scan(blob: IO[bytes]) -> Layer:
    """Read a layer, compressed or not. Raises tarfile.TarError, EOFError or zlib.error."""
    packages: Packages = {}
    gone, emptied = set(), set()
    with tarfile.open(fileobj=blob, mode="r|*", bufsize=BUFFER) as tar:
        for member in tar:
            path = _path(member.name)
            folder, name = posixpath.split(path)
            if name == OPAQUE:
                emptied.add(folder)
            elif name.startswith(WHITEOUT):
                gone.add(posixpath.join(folder, name.removeprefix(WHITEOUT)))
            elif not _lists_packages(path):
                continue
            elif member.islnk():
                packages[path] = packages.get(_path(member.linkname), ())
            elif (content := tar.extractfile(member)) is not None:
                packages[path] = tuple(_read(path, content))
    return Layer(packages=packages, gone=frozenset(gone), emptied=frozenset(emptied))


def merged(below: Mapping[str, tuple[Package, ...]], layers: Iterable[Layer]) -> Packages:
    """Apply layers, the lowest first, to the packages below them."""
    found = dict(below)
    for layer in layers:
        hidden = [
            path
            for path in found
            if any(each in layer.gone for each in _ancestors(path))
            or any(each in layer.emptied for each in _ancestors(posixpath.dirname(path)))
        ]
        for path in hidden:
            del found[path]
        found.update(layer.packages)
    return found


def below(layers: Iterable[Layer]) -> Packages:
    """The Python distributions below layers that these layers hide, by the hidden names."""
    found: Packages = {}
    seen: Packages = {}
    for layer in layers:
        for path in (each.removesuffix(METADATA) for each in layer.gone):
            package = _by_folder(path)
            if package is not None and f"{path}{METADATA}" not in seen:
                found[f"{path}{METADATA}"] = (package,)
        seen = merged(seen, [layer])
    return found


def _path(name: str) -> str:
    """A readable path: bytes that are not text are replaced."""
    text = name.encode(errors="surrogateescape").decode(errors="replace")
    return posixpath.normpath(text).lstrip("/")


def _ancestors(path: str) -> Iterator[str]:
    """A path and all its parent folders."""
    while path:
        yield path
        path = posixpath.dirname(path)


def _lists_packages(path: str) -> bool:
    if path.endswith(METADATA):
        return DIST_INFO.fullmatch(path.removesuffix(METADATA)) is not None
    return path == STATUS or (path.startswith(STATUSES) and not path.endswith(".md5sums"))


def _by_folder(path: str) -> Package | None:
    match = DIST_INFO.fullmatch(path)
    return None if match is None else _python(match["name"], match["version"])


def _python(name: str, version: str) -> Package:
    return Package(kind="python", name=canonicalize_name(name), version=version)


def _read(path: str, content: IO[bytes]) -> Iterator[Package]:
    if path.endswith(METADATA):
        header = _fields(islice(_lines(content), HEADER_LINES))
        if "Name" in header and "Version" in header:
            yield _python(header["Name"], header["Version"])
        return
    for fields in _paragraphs(_lines(content)):
        if fields.get("Status", INSTALLED).endswith(INSTALLED):
            yield Package(kind="debian", name=fields["Package"], version=fields["Version"])


def _lines(content: IO[bytes]) -> Iterator[bytes]:
    """Lines, cut where an image holds a file without line ends."""
    return iter(lambda: content.readline(LONGEST_LINE), b"")


def _paragraphs(lines: Iterator[bytes]) -> Iterator[Mapping[str, str]]:
    """The paragraphs of dpkg that have a package and its version."""
    while first := next(lines, b""):
        fields = _fields(chain([first], lines))
        if "Package" in fields and "Version" in fields:
            yield fields


def _fields(lines: Iterable[bytes]) -> dict[str, str]:
    """The fields `Name: text` up to an empty line, without continuation lines."""
    found: dict[str, str] = {}
    for line in lines:
        if not line.strip():
            break
        name, colon, text = line.decode(errors="replace").partition(":")
        if colon and name and not name[0].isspace():
            found.setdefault(name, text.strip())
    return found
