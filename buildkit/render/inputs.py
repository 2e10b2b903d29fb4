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
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.config import boundary
from buildkit.model.target import PINNED
from buildkit.render import dockerfile, dockerignore, own_dockerfile
from buildkit.support.errors import ToolError
from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from buildkit.config.boundary import Boundary
    from buildkit.model.target import Rendered, Target
    from buildkit.render.render import Templates

USES_RUNTIME = re.compile(r"\bruntime\b")
CHUNK = 1 << 20
SHORT = 12
"""Hexadecimal digits: enough to distinguish the versions of one part."""
PROJECT = "the folder of images.toml"
OF_A_CHECKOUT = (".git", ".buildkit")
"""Folders that differ between checkouts of one commit; the second is buildkit's own, in CI."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Reads what targets are made from at one moment: each file and each folder once.

    `runtime` counts for targets whose Dockerfile names it.
    """

    runtime: Path
    content: Callable[..., str] = field(default_factory=lambda: cache(content_of))
    _file: Callable[[str], bytes] = field(default_factory=lambda: cache(_read))

    def digests(self, rendered: Iterable[Rendered], *, with_images: bool = True) -> dict[str, str]:
        """By target id. Without `with_images`, the images that images.lock pins do not count."""
        return {each.target.id: self._digest(each, with_images=with_images) for each in rendered}

    def _digest(self, rendered: Rendered, *, with_images: bool) -> str:
        target = rendered.target
        made_from = {
            "dockerfile": rendered.dockerfile,
            "args": target.args,
            "platform": target.platform,
            "context": self._context(target),
            "runtime": self.content(str(self.runtime)) if _uses_runtime(rendered) else None,
        }
        if target.dockerfile is not None:  # the build reads the file once more
            made_from["dockerfile"] = self._file(target.dockerfile).decode()
            made_from["stage"] = target.stage
            found = dockerfile.instructions(rendered.dockerfile)
            made_from["labels"] = (*sorted(own_dockerfile.labels(target, found).items()),)
            made_from["args"] = (*sorted(target.args),)
        if target.lock is not None:  # absent without a lock: such digests are in ledgers
            made_from["lock"] = hashlib.sha256(self._file(target.lock)).hexdigest()
        elif target.pins.packages is not None:
            made_from["lock"] = target.pins.packages
        if with_images and target.pins.base is not None:
            made_from["base"] = target.pins.base
        if with_images and target.pins.cuda_compat is not None:
            made_from["cuda-compat"] = target.pins.cuda_compat
        return f"sha256:{hashlib.sha256(json.dumps(made_from).encode()).hexdigest()}"

    def _context(self, target: Target) -> str | None:
        if target.context is None:
            return None
        return self.content(target.context, ignore_file(target.dockerfile))

    def parts(self, rendered: Rendered, source: Templates) -> tuple[tuple[str, str], ...]:
        """The digest of each part of the inputs, by the name that people know it by.

        Templates count by their text, so a change of one is named also if the Dockerfile has the
        effect of several. Short digests: they are compared with those of one earlier build.
        """
        target = rendered.target
        found = {"images.toml": short(repr(target.entry))}
        found |= {name: short(text) for name, text in source.texts(target).items()}
        if target.context is not None:
            here = source.here(target.context)
            found[PROJECT if here == "." else here] = short(str(self._context(target)))
        if _uses_runtime(rendered):
            runtime = str(self.runtime)
            found[source.here(runtime)] = short(self.content(runtime))
        if target.lock is not None:
            found[source.here(target.lock)] = short(self._file(target.lock).decode())
        elif target.pins.packages is not None:
            found[PINNED] = short(target.pins.packages)
        if target.cuda_compat is not None and target.pins.cuda_compat is not None:
            found[target.cuda_compat.image] = short(target.pins.cuda_compat)
        return tuple(sorted(found.items()))


def _uses_runtime(rendered: Rendered) -> bool:
    text, by_template = rendered.dockerfile, rendered.target.dockerfile is None
    return by_template and "runtime" in text and USES_RUNTIME.search(text) is not None


def short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:SHORT]


def content_of(folder: str | Path, ignore: Path | None = None) -> str:
    """SHA-256 of what a folder contains: names, contents, and the run bit, as in git.

    The build sees all but what is in `.dockerignore` and of the checkout itself. It sees a folder
    without files, too. `ignore`: the file that replaces `.dockerignore`.
    """
    total, folder = hashlib.sha256(), Path(folder)
    names = [each for each in seen(folder, ignore) if each.partition("/")[0] not in OF_A_CHECKOUT]
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


def ignore_file(dockerfile: str | None) -> Path | None:
    """The file that BuildKit reads instead of the `.dockerignore` of a context; None without one.

    It has the name of the Dockerfile before `.dockerignore`, and lies beside it.
    """
    if dockerfile is None:
        return None
    beside = Path(os.path.realpath(dockerfile) + dockerignore.NAME)
    return beside if os.path.lexists(beside) else None


def seen(folder: Path, ignore: Path | None = None) -> list[str]:
    """The paths of a context that a build sees: folders, files and links."""
    return _ignored(folder, ignore).seen(folder)


def is_seen(folder: Path, name: str, ignore: Path | None = None) -> bool:
    """Whether a build sees this path of its context."""
    return _ignored(folder, ignore).sees(name)


def is_sent(path: Path, context: Path, limits: Boundary, ignore: Path | None = None) -> bool:
    """Whether a build gets a file or a link of its context.

    Yes if .dockerignore leads out of the project or never ends: then it is not read. Raises
    ToolError if it cannot be read.
    """
    ignored = ignore or context / dockerignore.NAME
    if limits.outside(ignored) or boundary.special(ignored):
        return True
    return is_seen(context, path.relative_to(context).as_posix(), ignore)


def _ignored(folder: Path, ignore: Path | None) -> dockerignore.Ignored:
    file = ignore or folder / dockerignore.NAME
    text = _read(str(file)).decode() if os.path.lexists(file) else ""
    return dockerignore.parsed(text, is_replaced=ignore is not None)


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
