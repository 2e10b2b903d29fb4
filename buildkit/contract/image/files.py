"""Files of an image that is not running: by path, on its PATH, through links; its packages."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from buildkit.contract import archive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildkit.contract.engine import Container, Entry

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LINKS = 5
HEAD = 16 * 1024
PREFIXES = ("/usr/local", "/opt/conda", "/usr")
"""Where Python is installed, besides the folders that the PATH shows."""
PYTHONS = (*(f"3.{minor}" for minor in range(8, 16)), "3")
PACKAGES = "/var/lib/dpkg/status"
PACKAGES_BYTES = 8 * 1024 * 1024


def followed(container: Container, path: str) -> tuple[str, Entry | None]:
    """Where a path leads through links, and what is there; None for nothing."""
    found = container.look(path)
    for _ in range(LINKS):
        if found is None or found.kind != "link":
            break
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), found.target))
        found = container.look(path)
    return path, found


def real(container: Container, path: str) -> str | None:
    """Where a path leads through links; None if there is nothing, or an empty file.

    The NVIDIA runtime leaves empty files behind in the image of a container that it served.
    """
    path, found = followed(container, path)
    if found is None or found.kind in ("link", "loop"):
        return None
    return path if found.size > 0 or found.kind != "file" else None


def on_path(container: Container, environment: Mapping[str, str], program: str) -> str | None:
    """Where a program is found by its name or its path; None if it does not exist."""
    if "/" in program:
        return real(container, program)
    paths = (real(container, each) for each in _places(environment, program))
    return next((each for each in paths if each), None)


def folder_on_path(
    container: Container, environment: Mapping[str, str], program: str
) -> str | None:
    """The first folder on the PATH that has the name of a program; None if there is none."""
    for place in _places(environment, program):
        _, found = followed(container, place)
        if found is not None and found.kind == "folder":
            return place
    return None


def _places(environment: Mapping[str, str], program: str) -> Iterator[str]:
    """Where a program may be, in the order of the PATH."""
    folders = environment.get("PATH", DEFAULT_PATH).split(":")
    return (f"{each}/{program}" for each in folders if each)


def python_folders(container: Container, environment: Mapping[str, str]) -> Iterator[str]:
    """The folders in which Python packages may be, for each Python that the image has."""
    path = environment.get("PATH", DEFAULT_PATH).split(":")
    found = (each.removesuffix("/bin") for each in path if each.endswith("/bin"))
    for prefix in dict.fromkeys((*found, *PREFIXES)):
        for python in PYTHONS:
            library = f"{prefix}/lib/python{python}"
            if container.look(library) is not None:
                yield from (f"{library}/site-packages", f"{library}/dist-packages")


def head(container: Container, path: str | None) -> bytes:
    """The beginning of a file; empty if it does not exist."""
    return b"" if path is None else archive.head(container.get(path), HEAD)


def packages(container: Container) -> Iterator[str]:
    """The names of the installed Debian packages; none in an image without dpkg."""
    status = archive.head(container.get(PACKAGES), PACKAGES_BYTES).decode("utf-8", "replace")
    for block in status.split("\n\n"):
        lines = block.splitlines()
        if "Status: install ok installed" in lines:
            yield from (each.partition(": ")[2] for each in lines if each.startswith("Package: "))
