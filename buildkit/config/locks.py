"""A lock of the user's own -> its packages with hashes, as pip reads them.

The file is in pip's format, or a pylock.toml (PEP 751), which pip in a base may be too old to read.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.config import requirements, toml
from buildkit.config.requirements import HASH
from buildkit.model import names
from buildkit.support import addresses, manual
from buildkit.support.errors import ConfigError
from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from packaging.pylock import Package, PackageArchive, PackageSdist, PackageWheel

    File = PackageArchive | PackageSdist | PackageWheel

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")
"""A name that a Dockerfile option takes without quotes."""
AT_ADDRESS = re.compile(r"(?P<name>[^@/:;]*?)@?\s*(?P<address>[^@/:;\s]*(?:[/\\]{2}|:)\S*)")
"""A URL, with or without the name of its package before it."""
PYLOCK = ".toml"
STRONG = ("sha256", "sha384", "sha512")
"""The hashes that pip accepts in a requirement."""
OF_A_CHOICE = re.compile(r"\b(?:extras|dependency_groups)\b")
"""What a marker says of a package that only some installations of a project have."""


def name(path: str) -> str:
    """The path of a lock, if its name fits into a Dockerfile. Raises ValueError."""
    what = "the name of a lock (letters, digits, `.`, `_`, `+`, `-`)"
    names.full(NAME, what, Path(path).name)
    return path


def check(path: str) -> str:
    """The path of a lock, if each of its packages has a hash. Raises ValueError."""
    read(Path(path))
    return path


def read(path: Path) -> str:
    """The packages of a lock as pip reads them. Raises ValueError unless each has a hash."""
    try:
        text = reading.text(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from error
    if path.suffix == PYLOCK:
        return _of_pylock(text, path.name)
    for number, line in requirements.lines(text):
        try:
            _check(line)
        except ValueError as error:
            raise ValueError(f"{path.name}:{number}: {error}") from error
    return text


def _check(line: str) -> None:
    """Raise ValueError for a package without a hash, or a URL with a secret."""
    if line.startswith("-"):
        if addresses.hidden(line) != line:
            raise ValueError(f"the URL holds credentials; {addresses.give('them')}")
        return
    package = line.partition(f"{HASH}=")[0].strip()
    if match := AT_ADDRESS.match(package):
        requirements.check_address(match["name"].strip(), match["address"])
    if f"{HASH}=" not in line:
        raise ValueError(
            f"`{addresses.shown(package)}` has no hash; create the lock with "
            f"`--generate-hashes`: {manual.page('images-toml', 'a-lock')}"
        )


def _of_pylock(text: str, file: str) -> str:
    """The packages of a pylock.toml in pip's format: wheels, and a source only if there are none.

    pip decides which packages the image needs: their markers are kept.
    """
    from packaging.pylock import (  # noqa: PLC0415 - few need it, and it takes long to load
        Pylock,
        PylockValidationError,
    )

    try:
        packages = Pylock.from_dict(toml.load(text, file)).packages
    except ConfigError as error:
        raise ValueError(error.message) from error
    except PylockValidationError as error:
        raise ValueError(f"{file}: not a pylock.toml (PEP 751): {error}") from error
    entries, only_source = [], []
    for package in packages:
        try:
            entries.append(_entry(package))
        except ValueError as error:
            raise ValueError(f"{file}: `{package.name}`: {error}") from error
        only_source += [package.name] if not package.wheels and package.sdist else []
    options = ("--only-binary :all:", *(f"--no-binary {each}" for each in only_source))
    return "\n".join((*options, *entries, ""))


def _entry(package: Package) -> str:
    """Raises ValueError for what pip cannot install by a hash."""
    files: Sequence[File]
    if (archive := package.archive) is not None and archive.url is not None:
        end = f"#subdirectory={archive.subdirectory}" if archive.subdirectory else ""
        what, files = f"{package.name} @ {archive.url}{end}", [archive]
        requirements.check_address(package.name, f"{archive.url}{end}")
    elif package.version is not None and (package.wheels or package.sdist):
        what = f"{package.name}=={package.version}"
        files = package.wheels or [each for each in (package.sdist,) if each is not None]
    else:
        raise ValueError("not a release in an index nor a file with a URL, so it has no hash")
    if package.marker is not None:
        if OF_A_CHOICE.search(str(package.marker)):
            raise ValueError(
                "its marker asks for extras or groups; export only the packages of the image"
            )
        what = f"{what} ; {package.marker}"
    hashes = sorted({f"{HASH}={each}" for file in files for each in _hashes(file.hashes)})
    if not hashes:
        raise ValueError(f"no hash that pip accepts: {', '.join(STRONG)}")
    return " \\\n    ".join((what, *hashes))


def _hashes(found: Mapping[str, str]) -> list[str]:
    return [f"{kind}:{found[kind]}" for kind in STRONG if kind in found]
