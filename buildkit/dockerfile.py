"""The text of a Dockerfile -> its instructions, and what they take from the build context."""

from __future__ import annotations

import json
import posixpath
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

FLAG = re.compile(r"--(?P<name>[a-z-]+)(?:=(?P<value>\S*))?\s*")
HEREDOC = re.compile(r"<<-?\s*([\"']?)(\w+)\1")
ELSEWHERE = re.compile(r"(?:https?://|git@|ssh://|git://|<<)")
"""How sources begin that are no file of the context."""
SEARCHED = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""The PATH of an image that says none."""
PATH = re.compile(r"(?:^|\s)PATH(?:=|\s+)(\"[^\"]*\"|\S+)")


@dataclass(frozen=True, kw_only=True)
class Instruction:
    word: str
    flags: tuple[tuple[str, str], ...]
    rest: str

    def __str__(self) -> str:
        flags = "".join(f"--{name}={value} " for name, value in self.flags)
        return f"{self.word} {flags}{self.rest}"


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A COPY or ADD of files of the context; `mode` tells whether it sets their permissions."""

    instruction: Instruction
    sources: tuple[str, ...]
    destination: str
    mode: bool

    def place(self, source: str, name: str, *, is_folder: bool) -> str | None:
        """Where a file called `name` lands in the image, None if `source` does not bring it."""
        if is_folder:  # its content is copied, not the folder itself
            return posixpath.normpath(posixpath.join(self.destination, name))
        into = self.destination.endswith("/") or len(self.sources) > 1
        place = posixpath.join(self.destination, posixpath.basename(source)) if into else (
            self.destination
        )  # fmt: skip
        return posixpath.normpath(place) if posixpath.basename(place) == name else None


def instructions(text: str) -> tuple[Instruction, ...]:
    """In their order, without comments and the bodies of here-documents."""
    found = []
    lines = iter(text.splitlines())
    for line in lines:
        whole = line.strip()
        if not whole or whole.startswith("#"):
            continue
        while whole.endswith("\\") and (following := next(lines, None)) is not None:
            following = following.strip()
            skipped = not following or following.startswith("#")
            whole = whole[:-1] + ("\\" if skipped else f" {following}")
        word, _, rest = whole.partition(" ")
        for _, end in HEREDOC.findall(rest):
            while next(lines, end).strip() != end:
                pass
        found.append(_instruction(word.upper(), rest.strip()))
    return tuple(found)


def last_stage(found: Sequence[Instruction]) -> tuple[Instruction, ...]:
    """The instructions that make the image itself."""
    begins = [number for number, each in enumerate(found) if each.word == "FROM"]
    return tuple(found[begins[-1] :]) if begins else tuple(found)


def copies(found: Iterable[Instruction]) -> Iterator[Copy]:
    """What is copied from the context, relative destinations made absolute by WORKDIR."""
    folder = "/"
    for each in found:
        if each.word == "WORKDIR":
            folder = posixpath.join(folder, each.rest.strip("\"'"))
        if each.word not in ("COPY", "ADD") or "from" in dict(each.flags):
            continue
        *sources, destination = _words(each.rest) or [""]
        sources = [source for source in sources if not ELSEWHERE.match(source)]
        if sources:
            yield Copy(
                instruction=each,
                sources=tuple(sources),
                destination=posixpath.join(folder, destination),
                mode="chmod" in dict(each.flags),
            )


def mounts(found: Iterable[Instruction]) -> Iterator[Instruction]:
    """Each RUN that mounts the context."""
    for each in found:
        for name, value in each.flags:
            fields = dict(part.partition("=")[::2] for part in value.split(","))
            if name == "mount" and fields.get("type", "bind") == "bind" and "from" not in fields:
                yield each
                break


def searched(found: Iterable[Instruction]) -> frozenset[str]:
    """The folders in which an image looks for programs, as far as its Dockerfile tells."""
    folders = set(SEARCHED)
    for each in found:
        if each.word == "ENV":
            for match in PATH.finditer(each.rest):
                folders |= {
                    posixpath.normpath(part) for part in match[1].strip('"').split(":") if part
                }
    return frozenset(folders)


def _instruction(word: str, rest: str) -> Instruction:
    flags = []
    while match := FLAG.match(rest):
        flags.append((match["name"], match["value"] or ""))
        rest = rest[match.end() :]
    return Instruction(word=word, flags=tuple(flags), rest=rest)


def _words(rest: str) -> list[str]:
    with suppress(ValueError):
        if rest.startswith("["):
            return [str(each) for each in json.loads(rest)]
    return rest.split()
