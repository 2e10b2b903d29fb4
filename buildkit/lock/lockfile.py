"""images.lock <-> the digests of base images, and the packages of each target with their hashes.

The file is sorted and has one entry per line, so that git merges changes of different targets. The
hashes of a package are written once, however many targets have it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeGuard

from buildkit.config import requirements, toml
from buildkit.model import names
from buildkit.model.target import Pins
from buildkit.support import suggest
from buildkit.support.errors import ConfigError, ToolError
from buildkit.system import files, reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from buildkit.config.boundary import Boundary
    from buildkit.config.toml import Where
    from buildkit.model.target import Target

NAME = "images.lock"
FORMAT = 1
"""Incremented when an older buildkit would misread the file."""
LARGEST = 256 << 20
"""Bytes: some ten thousand targets."""
HEAD = (
    f"# Written by `buildkit lock`, for `buildkit build`. Commit this file.\n\nformat = {FORMAT}\n"
)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
HASH = re.compile(r"sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})")
SEPARATORS = re.compile(r"[-_.]+")
PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+_-]+")
CONFLICT = ("<<<<<<<", "=======", ">>>>>>>")
"""How git begins the lines around a conflict."""


@dataclass(frozen=True, kw_only=True)
class Locked:
    """The packages of a target, such as `numpy==2.3.1`. `made_from`: the digest of its request."""

    made_from: str
    packages: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Lock:
    """The digest of each base by its name in images.toml, and the packages of targets by their id.

    `hashes` has the hashes of the files of each package.
    """

    bases: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[str, Locked] = field(default_factory=dict)
    hashes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def requirements(self, target: Target) -> str | None:
        """The packages of a target as pip reads them; None if the target is not in the lock."""
        locked = self.targets.get(target.id)
        return None if locked is None else self._text(locked.packages, target.source_builds)

    def pinned(self, targets: Iterable[Target]) -> tuple[Target, ...]:
        """The targets with what the lock pins: no packages for one whose `lock` is set."""
        digest = cache(self._digest)  # many targets have the same packages

        def pins(target: Target) -> Pins:
            locked = self.targets.get(target.id) if target.is_in_images_lock else None
            packages = None if locked is None else digest(locked.packages, target.source_builds)
            base, *others = map(self.bases.get, target.images)
            return Pins(base=base, packages=packages, cuda_compat=next(iter(others), None))

        return tuple(replace(each, pins=pins(each)) for each in targets)

    def _digest(self, packages: Sequence[str], source_builds: Sequence[str]) -> str:
        return hashlib.sha256(self._text(packages, source_builds).encode()).hexdigest()

    def _text(self, packages: Sequence[str], source_builds: Sequence[str]) -> str:
        options = wheels_but_for(source_builds)
        rows = [f"{name} {value}" for name, value in zip(options[::2], options[1::2], strict=True)]
        return "\n".join((*rows, *map(self._entries.__getitem__, packages), ""))

    @cached_property
    def _entries(self) -> dict[str, str]:
        """Each package with its hashes, as pip reads it."""
        return {
            pin: " \\\n    ".join((pin, *(f"--hash={each}" for each in hashes)))
            for pin, hashes in self.hashes.items()
        }


def wheels_but_for(source_builds: Iterable[str]) -> tuple[str, ...]:
    """Options of pip and uv: no builds from source, which install tools without hashes."""
    named = (option for name in sorted(source_builds) for option in ("--no-binary", name))
    return ("--only-binary", ":all:", *named)


def name_of(pin: str) -> str:
    """The normalized name of a package (PEP 503), such as `numpy` of `NumPy==2.3.1`."""
    return SEPARATORS.sub("-", re.split(r"[=@\s]", pin, maxsplit=1)[0]).lower()


def beside(file: Path, limits: Boundary) -> Path:
    """The path of the lock of an images.toml. Raises UsageError if it leads out of the project."""
    return limits.inside(file.parent, NAME)


def read(path: Path) -> Lock | None:
    """The lock in a file; None without a file.

    Raises ToolError if the file cannot be read, ConfigError, with the line, if it is not a lock.
    """
    try:
        text = reading.text(path, LARGEST)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ToolError(
            f"{path} cannot be read: {error}", hint=f"remove {path}, then run `buildkit lock`"
        ) from error
    return parsed(text)


def parsed(text: str) -> Lock:
    """Raises ConfigError, with the line, for a text that is not a lock."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(CONFLICT):
            raise ConfigError(
                f"{NAME}:{number}: git left a merge conflict here",
                hint=f"`git checkout --theirs {NAME}`, then `buildkit lock`",
            )
    return _Reader(text=text, document=toml.load(text, NAME)).lock()


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """Checks each value: pip and buildx get them as they are."""

    text: str
    document: Mapping[str, Any]

    def lock(self) -> Lock:
        found = self.document.get("format")
        if type(found) is not int or found != FORMAT:  # true is 1
            message = f"expected `format = {FORMAT}`, found `{suggest.shown(str(found))}`"
            raise self.wrong(("format",), message)
        bases = self.table(("bases",))
        for base, digest in bases.items():
            self.text_of(("bases", base), digest, DIGEST)
        hashes = {pin: self.hashes(pin) for pin in self.table(("hashes",))}
        targets = {id_: self.target(id_, hashes) for id_ in self.table(("target",))}
        return Lock(bases=bases, targets=targets, hashes=hashes)

    def hashes(self, pin: str) -> tuple[str, ...]:
        at = ("hashes", pin)
        if not PIN.fullmatch(pin):
            try:
                requirements.requirement(names.plain(pin))
            except ValueError as error:
                raise self.wrong(at, str(error)) from error
        return self.texts(at, HASH)

    def target(self, id_: str, hashes: Mapping[str, object]) -> Locked:
        at = ("target", id_)
        entry = self.table(at)
        made_from = self.text_of((*at, "made-from"), entry.get("made-from"), DIGEST)
        packages = self.texts((*at, "packages"))
        for number, pin in enumerate(packages):
            if pin not in hashes:
                message = f"`{suggest.shown(pin)}` has no entry in [hashes]"
                raise self.wrong((*at, "packages", number), message)
        return Locked(made_from=made_from, packages=packages)

    def table(self, at: Where) -> dict[str, Any]:
        found = toml.value_at(self.document, at)
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise self.wrong(at, f"`{at[-1]}` is not a table")
        return found

    def texts(self, at: Where, form: re.Pattern[str] = re.compile(".+")) -> tuple[str, ...]:
        found = toml.value_at(self.document, at)
        if not isinstance(found, list) or not found:
            raise self.wrong(at, f"`{suggest.shown(str(at[-1]))}` is not a list of texts")
        for number, each in enumerate(found):
            if not _fits(each, form):
                self.text_of((*at, number), each, form)
        return tuple(found)

    def text_of(self, at: Where, value: object, form: re.Pattern[str]) -> str:
        if not _fits(value, form):
            what = "a digest" if form is DIGEST else "a hash" if form is HASH else "a text"
            raise self.wrong(at, f"`{suggest.shown(str(value))}` is not {what}")
        return value

    def wrong(self, at: Where, message: str) -> ConfigError:
        return ConfigError(
            f"{NAME}:{self.line(at)}: {message}",
            hint=f"fix the line, or remove {NAME} and run `buildkit lock`",
        )

    def line(self, at: Where) -> int:
        """The line of a value, from 1. Each value of a list has a line of its own."""
        begin = toml.line_of(at, toml.lines_of(self.text))
        if not isinstance(at[-1], int):
            return begin
        value = str(toml.value_at(self.document, at))
        below = enumerate(self.text.splitlines()[begin - 1 :], begin)
        return next((number for number, line in below if value in line), begin)


def _fits(value: object, form: re.Pattern[str]) -> TypeGuard[str]:
    return isinstance(value, str) and form.fullmatch(value) is not None


def write(path: Path, lock: Lock) -> None:
    """Write the file atomically. Raises ToolError."""
    hint = f"make {NAME} and its folder writable"
    files.write_text(path.resolve(), text(lock), hint=hint)


def text(lock: Lock) -> str:
    """The text of the file. What no target uses is left out of [hashes]."""
    used = sorted({pin for each in lock.targets.values() for pin in each.packages})
    parts = [HEAD]
    if lock.bases:
        rows = [
            f"{_quoted(base)} = {_quoted(digest)}" for base, digest in sorted(lock.bases.items())
        ]
        parts.append("\n".join(("[bases]", *rows, "")))
    for id_, locked in sorted(lock.targets.items()):
        parts.append(
            f"[target.{_quoted(id_)}]\nmade-from = {_quoted(locked.made_from)}\n"
            f"packages = {_list(locked.packages)}\n"
        )
    if used:
        rows = [f"{_quoted(pin)} = {_list(sorted(lock.hashes[pin]))}" for pin in used]
        parts.append("\n".join(("[hashes]", *rows, "")))
    return "\n".join(parts)


def _list(values: Iterable[str]) -> str:
    return "\n".join(("[", *(f"    {_quoted(each)}," for each in values), "]"))


def _quoted(text: str) -> str:
    """A basic string of TOML, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)
