"""The paths in images.toml -> what is wrong with each: missing, of another kind, outside.

They are read from the file as it is written, so that other problems of an image hide none.
"""

from __future__ import annotations

import os
import stat
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from buildkit.config import boundary, toml
from buildkit.config.problems import Problem
from buildkit.support.addresses import quoted, shown
from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from buildkit.config.images_toml import Config
    from buildkit.config.toml import Where

LARGEST_BODY = 100 << 20
"""The most bytes of a request or an answer: `MaxPayloadInMB` of batch transform is at most 100."""


OPTIONAL = ("context", "code", "model", "adapter", "answer")
"""Keys that an empty text takes out."""


class Kind(str, Enum):
    FILE = "file"
    FOLDER = "folder"
    EITHER = "file or folder"


def problems(config: Config) -> Iterator[Problem]:
    """The problems of all paths, except patterns, whose paths differ by target."""
    odd = cache(lambda folder: tuple(config.boundary.odd(folder)))
    for at, text, kind in _written(config.document):
        found = [*fault(config, text, kind, LARGEST_BODY)]
        yield from (Problem(path=at, message=message) for message in found)
        folder = config.folder / text
        if not found and folder.is_dir() and not _has_dockerfile(config, at):
            for each in odd(folder):
                is_sent = at[-1] == "context"
                if not is_sent or _is_sent(config, folder, each):
                    yield Problem(path=at, message=_of_odd(config, each, is_sent=is_sent))


def unreadable(config: Config, context: Path, ignore: Path | None) -> Iterator[str]:
    """What is wrong with the files of a context; `ignore` replaces its .dockerignore."""
    for each in config.boundary.odd(context):
        if _is_sent(config, context, each, ignore):
            yield _of_odd(config, each, is_sent=True)


def _has_dockerfile(config: Config, at: Where) -> bool:
    """Whether a context is that of a Dockerfile, which may have a .dockerignore of its own."""
    beside = toml.value_at(config.document, (*at[:-1], "dockerfile"))
    return at[-1] == "context" and bool(beside)


class Place(Protocol):
    """Where relative paths start, and how far they may lead."""

    @property
    def folder(self) -> Path: ...
    @property
    def boundary(self) -> boundary.Boundary: ...


def fault(config: Place, text: str, kind: Kind, limit: int) -> Iterator[str]:
    """What is wrong with a path, if anything; `limit` is the largest size of a file in bytes."""
    if not text:
        yield "the path is empty"
        return
    path = config.folder / text
    try:
        config.boundary.check(path, shown(text))
        mode = path.stat().st_mode
        if kind is not Kind.FILE and stat.S_ISDIR(mode):
            return
        if kind is Kind.FILE and not stat.S_ISDIR(mode):
            reading.check(path, limit)
        elif kind is not Kind.EITHER or not stat.S_ISREG(mode):
            yield f"{quoted(text)} is {reading.kind(mode)}, not a {kind.value}"
    except (FileNotFoundError, NotADirectoryError):
        yield f"{quoted(text)} not found in {config.folder}"
    except UnicodeEncodeError as error:
        encoding = error.encoding
        yield f"{quoted(text)} cannot be a path in Python's encoding {encoding}; set PYTHONUTF8=1"
    except OSError as error:
        yield f"{quoted(text)} cannot be read: {error.strerror}"
    except ValueError as error:
        yield str(error)


def whole(place: Place, text: str | None) -> str | None:
    """The path that `text` means in a project; None without a text, which an empty one is."""
    return str(place.folder / text) if text else None


def _written(document: dict[str, Any]) -> Iterator[tuple[Where, str, Kind]]:
    """Each path with its place in the file."""
    for at, table in toml.facts(document):
        if _is_path(context := table.get("context"), "context"):
            yield (*at, "context"), context, Kind.FOLDER
        yield from of_samples((*at, "samples"), table.get("samples"))
    for name, samples in toml.items(document.get("samples")):
        yield from of_samples(("samples", name), samples)


def of_samples(at: Where, samples: object) -> Iterator[tuple[Where, str, Kind]]:
    """Each path in a table of samples, with its place in it, which begins with `at`."""
    table = dict(toml.items(samples))
    found: list[tuple[Where, object, Kind]] = []
    for name, text in toml.items(table.get("channels")):
        found.append((("channels", name), text, Kind.EITHER))
    payloads = table.get("payload")
    for number, payload in enumerate(payloads if isinstance(payloads, list) else ()):
        for key, text in toml.items(payload):
            if key in ("body", "answer"):
                found.append((("payload", number, key), text, Kind.FILE))
    found += [((key,), table.get(key), Kind.FOLDER) for key in ("code", "model", "adapter")]
    for below, text, kind in found:
        if _is_path(text, below[-1]):
            yield (*at, *below), text, kind


def _is_path(text: object, key: object) -> TypeGuard[str]:
    """Other values are problems of the schema."""
    return isinstance(text, str) and text.isprintable() and (text != "" or key not in OPTIONAL)


def _of_odd(config: Config, odd: boundary.Odd, *, is_sent: bool) -> str:
    """`is_sent`: a build would get it, unless .dockerignore excludes it."""
    name = os.path.relpath(odd.path, config.folder)
    in_context = is_sent and odd.path.name != ".dockerignore"
    exclude = ", exclude it with `.dockerignore`" if in_context else ""
    if odd.end is None:
        exclude = exclude.replace(", ", ", or ", 1)
        return f"`{name}` is {odd.kind}, which cannot be copied; remove it{exclude}"
    return (
        f"the link `{name}` leads to `{odd.end}`, outside of the project `{config.boundary.root}`; "
        f"replace it with a copy of the file or folder{exclude}, or pass `{boundary.FLAG}`"
    )


def _is_sent(config: Config, context: Path, odd: boundary.Odd, ignore: Path | None = None) -> bool:
    """Whether a build gets that link, device, pipe or socket of its context."""
    from buildkit.render import inputs  # noqa: PLC0415 - only for a link

    name = odd.path.relative_to(context).as_posix()
    if odd.end is None and name.partition("/")[0] in inputs.OF_A_CHECKOUT:
        return False  # git may have a socket of its own there
    return inputs.is_sent(odd.path, context, config.boundary, ignore)
