"""A draft and a folder -> what to write there. Nothing that exists is overwritten."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.config import boundary
from buildkit.scaffold.kinds import IMAGES
from buildkit.support.errors import UsageError
from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from buildkit.scaffold.draft import Draft

HINT = "choose another folder (`buildkit init FOLDER`), or move these files"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Files to create, and what to append to files that exist."""

    new: Mapping[Path, bytes]
    more: Mapping[Path, bytes]


def plan(draft: Draft, folder: Path) -> Plan:
    """Raises UsageError that names all files in the way, or a link that leads elsewhere."""
    paths = sorted(draft.files, key=lambda path: (path != IMAGES, path))
    new = {_at(folder, path): draft.files[path] for path in paths}
    more = {}
    for path, lines in sorted(draft.ignored.items()):
        file = _at(folder, path)
        if not lines:
            continue
        if not file.exists():
            new[file] = "".join(f"{line}\n" for line in lines).encode()
        elif missing := _missing(file, lines):
            more[file] = missing
    if found := [*dict.fromkeys(each for path in new for each in _in_the_way(path, folder))]:
        names = [each.name if each == folder else os.path.relpath(each, folder) for each in found]
        raise UsageError(
            f"nothing was written, because {_and(names)} {'exist' if found[1:] else 'exists'} "
            "already",
            hint=HINT,
        )
    _check_links((*new, *more), folder)
    return Plan(new=new, more=more)


def _check_links(paths: Iterable[Path], folder: Path) -> None:
    """Raise UsageError for a link that leads out of the project: it may be somebody else's."""
    limits = boundary.around(folder)
    for path in paths:
        if (end := limits.outside(path)) is not None:
            raise UsageError(
                f"nothing was written, because `{path}` leads to `{end}`, outside of "
                f"`{limits.root}`",
                hint="remove the link, or choose another folder: `buildkit init FOLDER`",
            )


def _at(folder: Path, path: str) -> Path:
    return Path(os.path.normpath(folder / path))


def _and(names: Sequence[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return " and ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1])))


def _in_the_way(path: Path, folder: Path) -> Iterator[Path]:
    """The file itself, and what is no folder on the way to it."""
    if os.path.lexists(path):
        yield path
    for parent in path.parents:
        if parent == folder.parent:
            return
        if os.path.lexists(parent) and not parent.is_dir():
            yield parent


def _missing(file: Path, lines: Sequence[str]) -> bytes:
    """The lines that an ignore file does not have yet, as its other lines end."""
    try:
        content = reading.content(file, reading.LARGEST_TEXT)
        have = {_bare(line) for line in reading.utf8(content).splitlines()}
    except (OSError, ValueError) as error:
        raise UsageError(
            f"`{file}` cannot be read: {error}", hint=f"fix or remove `{file}`"
        ) from error
    end = "\r\n" if b"\r\n" in content else "\n"
    text = "".join(f"{line}{end}" for line in lines if _bare(line) not in have)
    begin = end if text and content and not content.endswith(b"\n") else ""
    return f"{begin}{text}".encode()


def _bare(line: str) -> str:
    """A pattern without what makes no difference here: `/dist/` ignores our `dist`, too."""
    return line.strip().removeprefix("\ufeff").removeprefix("**/").strip("/")
