"""The text of a Dockerfile -> its instructions.

Follows BuildKit's parser (Dockerfile reference). No library reads all of `escape`, here-documents
and `${X:-y}`.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FLAG = re.compile(r"--(?P<name>[a-z-]+)(?:=(?P<value>\S*))?\s*")
DIRECTIVE = re.compile(r"#\s*([A-Za-z][\w-]*)\s*=\s*(.+)")
WORD = re.compile(r"""(?:[^\s"']|"(?:\\.|[^"\\])*"|'[^']*')+""")
HEREDOC = re.compile(r"\d*<<(?P<tabs>-?)(?P<end>[^<]+)")
WITH_HEREDOC = ("RUN", "COPY", "ADD")
VARIABLE = re.compile(
    r"\$(?:(?P<bare>\w+)|\{(?P<name>\w+)(?:(?P<how>:?[-+?]|[#%/])(?P<other>[^${}]*))?\})"
)
"""A variable, also one inside the braces of another."""
QUOTED = re.compile(r"""'(?P<single>[^']*)'|"(?P<double>(?:\\.|[^"\\])*)"|\\(?P<escaped>.)""")
"""Text that is taken as it is: all of it, between double quotes all but variables."""
ESCAPED = re.compile(r'\\(["$\\])')
"""What a backslash escapes between double quotes."""
LITERAL = {ord("$"): "\1", ord("{"): "\2", ord("}"): "\3"}
"""Stands for characters that begin or end no variable."""
GIVEN = re.compile(r"(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT)|TARGETSTAGE")
"""Arguments that BuildKit sets."""
UNKNOWN = "\0"
"""Stands in a value for text that only the build knows."""


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """`body`: the lines of its here-documents. `line`: its first, from 1."""

    word: str
    flags: tuple[tuple[str, str], ...]
    rest: str
    body: str = ""
    line: int = field(default=0, compare=False)

    def __str__(self) -> str:
        flags = "".join(f"--{name}={value} " for name, value in self.flags)
        return f"{self.word} {flags}{' '.join(self.rest.split())}"

    @property
    def words(self) -> list[str]:
        """What follows the flags, in the form of a list or not."""
        with suppress(ValueError):
            if self.rest.startswith("["):
                return [str(each) for each in json.loads(self.rest)]
        return self.rest.split()

    @property
    def assigned(self) -> tuple[tuple[str, str | None], ...]:
        """The names and values of an ARG, ENV or LABEL, as written; None for an ARG without one."""
        words = WORD.findall(self.rest)
        if self.word in ("ENV", "LABEL") and words and "=" not in words[0]:  # `ENV NAME a value`
            return ((words[0], self.rest.removeprefix(words[0]).strip()),)
        parts = (each.partition("=") for each in words)
        return tuple((name, value if sign else None) for name, sign, value in parts)


@lru_cache(maxsize=1)  # two checks in a row read each text
def instructions(text: str) -> tuple[Instruction, ...]:
    """All instructions in order, without comments."""
    every = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    escape = _escape(every)
    found = []
    numbered = enumerate(every, 1)
    lines = (line for _, line in numbered)
    for number, line in numbered:
        if _is_skipped(line):
            continue
        whole = line.strip()
        while _goes_on(whole, escape) and (following := next(lines, None)) is not None:
            if not _is_skipped(following):  # comments may be inside an instruction
                whole = whole[:-1] + following.rstrip()
        whole = whole[:-1] if _goes_on(whole, escape) else whole
        word, _, rest = whole.replace("\t", " ").partition(" ")
        body = []
        for heredoc in _heredocs(word, rest):
            for each in lines:
                if (each.lstrip("\t") if heredoc["tabs"] else each) == heredoc["end"].strip("\"'"):
                    break
                body.append(each)
        found.append(_instruction(word.upper(), rest.strip(), "\n".join(body), number))
    return tuple(found)


def filled(text: str, variables: Mapping[str, str], *, are_all: bool) -> str:
    """A word without quotes and escapes, with its variables filled in (BuildKit's `shell.Lex`).

    `are_all`: others are empty; else only the build knows them, and they become UNKNOWN.
    """
    text = unquoted(text)
    for _ in range(text.count("$")):
        text = VARIABLE.sub(lambda match: _value(match, variables, are_all=are_all), text)
    return text.translate({ord(mark): letter for letter, mark in LITERAL.items()})


def unquoted(text: str) -> str:
    """A word without quotes and escapes, in which each `$` begins a variable."""

    def plain(match: re.Match[str]) -> str:
        if (double := match["double"]) is not None:
            return ESCAPED.sub(lambda each: _literal(each[1]), double)
        return _literal(match["single"] or match["escaped"] or "")

    return QUOTED.sub(plain, text)


def _literal(text: str) -> str:
    return text.translate(LITERAL)


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


def _value(match: re.Match[str], variables: Mapping[str, str], *, are_all: bool) -> str:
    name, how, other = match["bare"] or match["name"], match["how"] or "", match["other"] or ""
    value = _literal(variables.get(name, ""))
    if value == UNKNOWN or (name not in variables and (GIVEN.fullmatch(name) or not are_all)):
        return UNKNOWN
    is_there = bool(value) if how.startswith(":") else name in variables
    match how[-1:]:
        case "-":
            return value if is_there else other
        case "+":
            return other if is_there else ""
        case "#" | "%" | "/":  # shell patterns
            return UNKNOWN
        case _:
            return value


def _instruction(word: str, rest: str, body: str, line: int) -> Instruction:
    flags = []
    while match := FLAG.match(rest):
        flags.append((match["name"], match["value"] or ""))
        rest = rest[match.end() :]
    return Instruction(word=word, flags=tuple(flags), rest=rest, body=body, line=line)
