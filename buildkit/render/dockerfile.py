"""The text of a Dockerfile -> its instructions, and what they take from the build context.

Follows BuildKit's parser and its handling of FROM (Dockerfile reference). No library reads all of
`escape`, here-documents, `${X:-y}` and stages.
"""

from __future__ import annotations

import json
import posixpath
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

FLAG = re.compile(r"--(?P<name>[a-z-]+)(?:=(?P<value>\S*))?\s*")
DIRECTIVE = re.compile(r"#\s*([A-Za-z][\w-]*)\s*=\s*(.+)")
WORD = re.compile(r"""(?:[^\s"']|"(?:\\.|[^"\\])*"|'[^']*')+""")
HEREDOC = re.compile(r"\d*<<(?P<tabs>-?)(?P<end>[^<]+)")
WITH_HEREDOC = ("RUN", "COPY", "ADD")
VARIABLE = re.compile(
    r"\$(?:(?P<bare>\w+)|\{(?P<name>\w+)(?:(?P<how>:?[-+?]|[#%/])(?P<other>[^${}]*))?\})"
)
"""A variable, also one inside the braces of another."""
GIVEN = re.compile(r"(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT)|TARGETSTAGE")
"""Arguments that BuildKit sets."""
UNKNOWN = "\0"
"""Stands in a value for text that only the build knows."""
COPIED = r"cp -r {mount}/(\S+) (\S+)"
"""How `step.copy` copies from a context that a step mounts (templates/macros/step.j2)."""
ELSEWHERE = re.compile(r"(?:https?://|git@|ssh://|git://|<<)")
"""How sources begin that are no files of the context."""
SEARCHED = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""The PATH of an image that sets none."""
PATH = re.compile(r"(?:^|\s)PATH(?:=|\s+)(\"[^\"]*\"|\S+)")


@dataclass(frozen=True, kw_only=True)
class Instruction:
    word: str
    flags: tuple[tuple[str, str], ...]
    rest: str

    def __str__(self) -> str:
        flags = "".join(f"--{name}={value} " for name, value in self.flags)
        return f"{self.word} {flags}{' '.join(self.rest.split())}"


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Files that an instruction copies from the context. `mode`: it sets their permissions."""

    instruction: Instruction
    sources: tuple[str, ...]
    destination: str
    mode: bool

    def place(self, source: str, name: str, *, is_folder: bool) -> str | None:
        """The path in the image of a file called `name`, None if `source` does not contain it."""
        if is_folder:  # its content is copied, not the folder itself
            return posixpath.normpath(posixpath.join(self.destination, name))
        into = self.destination.endswith("/") or len(self.sources) > 1
        place = posixpath.join(self.destination, posixpath.basename(source)) if into else (
            self.destination
        )  # fmt: skip
        return posixpath.normpath(place) if posixpath.basename(place) == name else None


@lru_cache(maxsize=1)  # two checks in a row read each text
def instructions(text: str) -> tuple[Instruction, ...]:
    """All instructions in order, without comments and the bodies of here-documents."""
    every = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    escape = _escape(every)
    found = []
    lines = iter(every)
    for line in lines:
        if _is_skipped(line):
            continue
        whole = line.strip()
        while _goes_on(whole, escape) and (following := next(lines, None)) is not None:
            if not _is_skipped(following):  # comments may be inside an instruction
                whole = whole[:-1] + following.rstrip()
        whole = whole[:-1] if _goes_on(whole, escape) else whole
        word, _, rest = whole.replace("\t", " ").partition(" ")
        for heredoc in _heredocs(word, rest):
            for body in lines:
                if (body.lstrip("\t") if heredoc["tabs"] else body) == heredoc["end"].strip("\"'"):
                    break
        found.append(_instruction(word.upper(), rest.strip()))
    return tuple(found)


def base(found: Sequence[Instruction]) -> str:
    """The image that the last stage builds on, through earlier stages; "" if there is none.

    Parts of the name that only the build knows are UNKNOWN. buildkit passes no arguments to a
    build, so an ARG without a default is empty.
    """
    arguments: dict[str, str] = {}
    stages: dict[str, str] = {}
    image: str | None = None
    for each in found:
        if each.word == "ARG" and image is None:
            for word in WORD.findall(each.rest):
                name, sign, default = word.partition("=")
                if sign:
                    arguments[name] = _filled(default, arguments)
        if each.word == "FROM":
            named, *alias = WORD.findall(each.rest) or [""]
            if named.lower() == "as" and len(alias) == 1:  # the name before `AS` is empty
                named, alias = "", [named, *alias]
            image = _filled(named, arguments)
            image = stages.get(image.lower(), image)
            if len(alias) > 1 and alias[0].lower() == "as":
                stages[alias[1].lower()] = image
    return image or ""


def last_stage(found: Sequence[Instruction]) -> tuple[Instruction, ...]:
    """The instructions of the stage that becomes the image."""
    begins = [number for number, each in enumerate(found) if each.word == "FROM"]
    return tuple(found[begins[-1] :]) if begins else tuple(found)


def copies(found: Iterable[Instruction]) -> Iterator[Copy]:
    """All copies from the context; WORKDIR makes relative destinations absolute."""
    folder = "/"
    for each in found:
        if (mount := _mounted(each)) is not None:
            for source, destination in re.findall(COPIED.format(mount=re.escape(mount)), each.rest):
                yield Copy(instruction=each, sources=(source,), destination=destination, mode=False)
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


def inside(context: Path, source: str) -> Path:
    """A path in the context. As in Docker, `..` does not lead above it."""
    return context / posixpath.normpath(f"/{source}").lstrip("/")


def mounts(found: Iterable[Instruction]) -> Iterator[Instruction]:
    """Each RUN that mounts the context."""
    return (each for each in found if _mounted(each) is not None)


def searched(found: Iterable[Instruction]) -> frozenset[str]:
    """The folders in which an image searches programs, as far as the Dockerfile shows."""
    folders = set(SEARCHED)
    for each in found:
        if each.word == "ENV":
            for match in PATH.finditer(each.rest):
                folders |= {
                    posixpath.normpath(part) for part in match[1].strip('"').split(":") if part
                }
    return frozenset(folders)


def _mounted(instruction: Instruction) -> str | None:
    """Where a RUN mounts the context; None if it does not."""
    for name, value in instruction.flags:
        fields = dict(part.partition("=")[::2] for part in value.split(","))
        if name == "mount" and fields.get("type", "bind") == "bind" and "from" not in fields:
            return fields.get("target", "")
    return None


def _escape(lines: Iterable[str]) -> str:
    """The character that continues a line, set by a directive before everything else."""
    for line in lines:
        directive = DIRECTIVE.fullmatch(line.strip())
        if directive is None:
            break
        if directive[1].lower() == "escape" and directive[2] == "`":
            return "`"
    return "\\"


def _goes_on(line: str, escape: str) -> bool:
    """Whether an instruction goes on in the next line; `line` has no spaces at its end."""
    return line.endswith(escape) and not line.endswith(2 * escape)


def _is_skipped(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _heredocs(word: str, rest: str) -> Iterator[re.Match[str]]:
    instruction = rest.lstrip().partition(" ")[0] if word.upper() == "ONBUILD" else word
    if "<<" in rest and instruction.upper() in WITH_HEREDOC:
        yield from filter(None, map(HEREDOC.fullmatch, WORD.findall(rest)))


def _filled(text: str, arguments: Mapping[str, str]) -> str:
    """A word of FROM or ARG without quotes, with its variables filled in."""
    text = text.replace('"', "").replace("'", "")
    for _ in range(text.count("$")):
        text = VARIABLE.sub(lambda match: _value(match, arguments), text)
    return text


def _value(match: re.Match[str], arguments: Mapping[str, str]) -> str:
    name, how, other = match["bare"] or match["name"], match["how"] or "", match["other"] or ""
    if GIVEN.fullmatch(name) and not arguments.get(name):
        return UNKNOWN
    value = arguments.get(name, "")
    is_there = bool(value) if how.startswith(":") else name in arguments
    match how[-1:]:
        case "-":
            return value if is_there else other
        case "+":
            return other if is_there else ""
        case "#" | "%" | "/":  # shell patterns
            return UNKNOWN
        case _:
            return value


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
