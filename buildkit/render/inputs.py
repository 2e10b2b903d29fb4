"""The inputs of a build -> one digest, the same in every checkout.

Inputs are the Dockerfile, the arguments and the platform, the files of the context and the runtime
that the build sees, and the lock of the packages. The base image is one of them if images.lock pins
its digest: otherwise only the build resolves its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.config import boundary
from buildkit.model.target import PINNED
from buildkit.render import dockerignore
from buildkit.support.errors import ToolError
from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from buildkit.config.boundary import Boundary
    from buildkit.model.target import Rendered
    from buildkit.render.render import Templates

USES_RUNTIME = re.compile(r"\bruntime\b")
CHUNK = 1 << 20
SHORT = 12
"""Hexadecimal digits: enough to distinguish the versions of one part."""
OF_A_CHECKOUT = (".git", ".buildkit")
"""Folders that differ between checkouts of one commit; the second is buildkit's own, in CI."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Reads what targets are made from at one moment: each file and each folder once.

    `runtime` counts for targets whose Dockerfile names it.
    """

    runtime: Path
    content: Callable[[str], str] = field(default_factory=lambda: cache(content_of))
    _file: Callable[[str], bytes] = field(default_factory=lambda: cache(_read))

    def digests(self, rendered: Iterable[Rendered], *, with_base: bool = True) -> dict[str, str]:
        """By target id. Without `with_base`, the base that images.lock pins does not count."""
        return {each.target.id: self._digest(each, with_base=with_base) for each in rendered}

    def _digest(self, rendered: Rendered, *, with_base: bool) -> str:
        target = rendered.target
        made_from = {
            "dockerfile": rendered.dockerfile,
            "args": target.args,
            "platform": target.platform,
            "context": self.content(target.context) if target.context else None,
            "runtime": self.content(str(self.runtime)) if _uses_runtime(rendered) else None,
        }
        if target.lock is not None:  # absent without a lock: such digests are in ledgers
            made_from["lock"] = hashlib.sha256(self._file(target.lock)).hexdigest()
        elif target.pins.packages is not None:
            made_from["lock"] = target.pins.packages
        if with_base and target.pins.base is not None:
            made_from["base"] = target.pins.base
        return f"sha256:{hashlib.sha256(json.dumps(made_from).encode()).hexdigest()}"

    def parts(self, rendered: Rendered, source: Templates) -> tuple[tuple[str, str], ...]:
        """The digest of each part of the inputs, by the name that people know it by.

        Templates count by their text, so a change of one is named also if the Dockerfile has the
        effect of several. Short digests: they are compared with those of one earlier build.
        """
        target = rendered.target
        found = {"images.toml": _short(repr(target.entry))}
        found |= {name: _short(text) for name, text in source.texts(target.template).items()}
        if target.context:
            found[_here(target.context, source)] = _short(self.content(target.context))
        if _uses_runtime(rendered):
            runtime = str(self.runtime)
            found[_here(runtime, source)] = _short(self.content(runtime))
        if target.lock is not None:
            found[_here(target.lock, source)] = _short(self._file(target.lock).decode())
        elif target.pins.packages is not None:
            found[PINNED] = _short(target.pins.packages)
        return tuple(sorted(found.items()))


def _uses_runtime(rendered: Rendered) -> bool:
    text = rendered.dockerfile
    return "runtime" in text and USES_RUNTIME.search(text) is not None


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:SHORT]


def _here(path: str, source: Templates) -> str:
    """A path of the project as people write it; the name alone of what lies outside of it."""
    with suppress(ValueError):
        return Path(path).relative_to(source.own.parent).as_posix()
    return Path(path).name


def content_of(folder: str | Path) -> str:
    """SHA-256 of what a folder contains: names, contents, and the run bit, as in git.

    The build sees all but what is in `.dockerignore` and of the checkout itself. It sees a folder
    without files, too.
    """
    total, folder = hashlib.sha256(), Path(folder)
    names = [each for each in seen(folder) if each.partition("/")[0] not in OF_A_CHECKOUT]
    filled = {each.rpartition("/")[0] for each in names}
    for name in names:
        path = folder / name
        if path.is_symlink():
            facts: tuple[object, ...] = (name, "link", os.readlink(path))  # noqa: PTH115 - unchanged
            total.update(f"{json.dumps(facts)}\n".encode())
        elif path.is_file():
            status = path.stat()
            facts = (name, "program" if status.st_mode & 0o100 else "file", status.st_size)
            total.update(f"{json.dumps(facts)}\n".encode())
            with path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    total.update(chunk)
        elif path.is_dir() and name not in filled:
            total.update(f"{json.dumps((name, 'folder'))}\n".encode())
    return total.hexdigest()


def seen(folder: Path) -> list[str]:
    """The paths of a context that a build sees: folders, files and links."""
    return _ignored(folder).seen(folder)


def is_seen(folder: Path, name: str) -> bool:
    """Whether a build sees this path of its context."""
    return _ignored(folder).sees(name)


def is_sent(path: Path, context: Path, limits: Boundary) -> bool:
    """Whether a build gets a file or a link of its context.

    Yes if .dockerignore leads out of the project or never ends: then it is not read. Raises
    ToolError if it cannot be read.
    """
    ignored = context / dockerignore.NAME
    if limits.outside(ignored) or boundary.special(ignored):
        return True
    return is_seen(context, path.relative_to(context).as_posix())


def _ignored(folder: Path) -> dockerignore.Ignored:
    file = folder / dockerignore.NAME
    return dockerignore.parsed(_read(str(file)).decode() if os.path.lexists(file) else "")


def _read(path: str) -> bytes:
    """The bytes of a text file. Raises ToolError."""
    try:
        found = reading.content(path, reading.LARGEST_TEXT)
        reading.utf8(found)
    except (OSError, ValueError) as error:
        raise ToolError(
            f"{path} cannot be read: {error}", hint=f"save {path} as UTF-8 text"
        ) from error
    return found
