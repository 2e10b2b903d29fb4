"""What an image is made from -> one digest, the same in every checkout.

Its Dockerfile, arguments and platform, the files that the build sees of its folders, and the lock
of its packages. The base is not part of it: what a name of a registry leads to is found out by the
build.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from docker.utils.build import PatternMatcher

from buildkit.support.errors import ToolError
from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from buildkit.model.target import Rendered

IGNORED = ".dockerignore"
USES_RUNTIME = re.compile(r"\bruntime\b")
CHUNK = 1 << 20
OF_A_CHECKOUT = (".git", ".buildkit")
"""Folders that differ in each checkout of one commit; the second is the tool's, in a CI."""


def digests(rendered: Iterable[Rendered], runtime: Path) -> dict[str, str]:
    """By the ids of targets. `runtime` counts for those whose Dockerfile names it."""
    content = cache(_content)
    return {each.target.id: _digest(each, runtime, content) for each in rendered}


def _digest(rendered: Rendered, runtime: Path, content: Callable[[Path], str]) -> str:
    target = rendered.target
    made_from = {
        "dockerfile": rendered.dockerfile,
        "args": target.args,
        "platform": target.platform,
        "context": content(Path(target.context)) if target.context else None,
        "runtime": content(runtime) if USES_RUNTIME.search(rendered.dockerfile) else None,
    }
    if target.lock is not None:  # not None for the others: their digests are in ledgers
        made_from["lock"] = hashlib.sha256(_read(Path(target.lock))).hexdigest()
    return f"sha256:{hashlib.sha256(json.dumps(made_from).encode()).hexdigest()}"


def _content(folder: Path) -> str:
    """SHA-256 over the files and links of a folder: names, contents, and the bit that git keeps."""
    total = hashlib.sha256()
    for name in sorted(_seen(folder)):
        path = folder / name
        if path.is_symlink():
            facts: tuple[object, ...] = (name, "link", os.readlink(path))  # noqa: PTH115 - as it is
            total.update(f"{json.dumps(facts)}\n".encode())
        elif path.is_file():
            status = path.stat()
            facts = (name, "program" if status.st_mode & 0o100 else "file", status.st_size)
            total.update(f"{json.dumps(facts)}\n".encode())
            with path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    total.update(chunk)
    return total.hexdigest()


def is_seen(folder: Path, name: str) -> bool:
    """Whether a build is given this path of its context."""
    return not PatternMatcher(_ignored(folder)).matches(name)  # type: ignore[arg-type]  # a text


def _seen(folder: Path) -> Iterator[str]:
    """The paths that a build is given: all that `.dockerignore` leaves, and is of the project."""
    for name in PatternMatcher(_ignored(folder)).walk(str(folder)):
        if name.partition("/")[0] not in OF_A_CHECKOUT:
            yield name


def _ignored(folder: Path) -> list[str]:
    ignored = folder / IGNORED
    lines = _read(ignored).decode().splitlines() if os.path.lexists(ignored) else []
    patterns = [line.strip() for line in lines]
    return [each for each in patterns if each and not each.startswith("#")]


def _read(path: Path) -> bytes:
    """A text, as it is. Raises ToolError."""
    try:
        found = reading.content(path, reading.LARGEST_TEXT)
        found.decode()
    except (OSError, ValueError) as error:
        raise ToolError(f"{path} cannot be read: {error}", hint="save it as UTF-8 text") from error
    return found
