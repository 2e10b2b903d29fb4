""".dockerignore -> the paths of a folder that a build sees, by the rules of BuildKit.

They are those of github.com/moby/patternmatcher, and of the walk in github.com/tonistiigi/fsutil.
docker-py has other ones: it ignores case, and enters no ignored folder for `!**/*.py`.
"""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NAME = ".dockerignore"
BYTE_ORDER_MARK = "\ufeff"
SPECIAL = frozenset("*[]?^\\")
"""Characters by which a pattern names more than one path."""
NEVER = re.compile(r"(?!)")
EVERYTHING_BELOW = ("/**", "/*")


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """One line. `keeps`: it begins with `!`."""

    text: str
    keeps: bool = False

    def matches(self, path: str) -> bool:
        return self._form.fullmatch(path) is not None

    @cached_property
    def _form(self) -> re.Pattern[str]:
        """A pattern that the build refuses matches nothing."""
        try:
            return re.compile(_expression(self.text), re.DOTALL)
        except re.error:
            return NEVER

    @property
    def stem(self) -> str:
        """The text without an end that stands for everything below."""
        found = self.text
        for end in EVERYTHING_BELOW:
            found = found.removesuffix(end)
        return found


@dataclass(frozen=True, kw_only=True)
class Ignored:
    """The patterns of one folder, in their order: the last one that matches a path decides.

    The build also sees NAME, unless it `is_replaced` by the file of a Dockerfile.
    """

    patterns: tuple[Pattern, ...] = ()
    is_replaced: bool = False

    def seen(self, folder: Path) -> list[str]:
        """The paths that a build sees: folders, files and links."""
        return sorted(self._walk(os.fspath(folder), "", ()))

    def sees(self, path: str) -> bool:
        """Whether a build sees one path."""
        ignored = False
        above: Sequence[bool] = ()
        parts = path.split("/")
        for number in range(1, len(parts) + 1):
            ignored, above = self._matched("/".join(parts[:number]), above)
        return not ignored or self._is_read(path)

    def _walk(self, root: str, below: str, above: Sequence[bool]) -> Iterator[str]:
        with os.scandir(f"{root}/{below}") as found:
            entries = list(found)
        for entry in entries:
            path = f"{below}{entry.name}"
            ignored, matched = self._matched(path, above)
            if not ignored or self._is_read(path):
                yield path
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder and (not ignored or self._may_keep_below(path)):
                yield from self._walk(root, f"{path}/", matched)

    def _is_read(self, path: str) -> bool:
        return path == NAME and not self.is_replaced

    def _matched(self, path: str, above: Sequence[bool]) -> tuple[bool, tuple[bool, ...]]:
        """Whether a path is ignored, and which patterns matched it; `above` is that of its folder.

        A pattern that changes nothing is not tried, and counts as one that did not match.
        """
        ignored, matched = False, []
        for number, pattern in enumerate(self.patterns):
            match = bool(above) and above[number]
            if not match and pattern.keeps == ignored:
                match = pattern.matches(path)
            matched.append(match)
            if match:
                ignored = not pattern.keeps
        return ignored, tuple(matched)

    def _may_keep_below(self, folder: str) -> bool:
        """Whether a build enters an ignored folder: for a path in it that a `!` may keep."""
        stems = self._kept
        if any(SPECIAL & {*stem} for stem in stems):
            return True
        return any(f"{stem}/".startswith(f"{folder}/") for stem in stems)

    @cached_property
    def _kept(self) -> tuple[str, ...]:
        return tuple(each.stem for each in self.patterns if each.keeps)


def parsed(text: str, *, is_replaced: bool = False) -> Ignored:
    """The patterns of a file; none for an empty text."""
    patterns = []
    for line in text.removeprefix(BYTE_ORDER_MARK).splitlines():
        keeps = line.strip().startswith("!")
        pattern = line.strip().removeprefix("!").strip()
        if pattern and not line.startswith("#"):
            clean = posixpath.normpath(pattern)
            patterns.append(Pattern(text=clean.lstrip("/") or "/", keeps=keeps))
    return Ignored(patterns=tuple(patterns), is_replaced=is_replaced)


def _expression(pattern: str) -> str:
    """A regular expression. `**` at the beginning or the end is any text, elsewhere any folders."""
    if (rest := pattern.removeprefix("**")) != pattern and not SPECIAL & {*rest}:
        return (
            f".*{re.escape(rest)}" if not rest.startswith("/") else f"(.*/)?{re.escape(rest[1:])}"
        )
    found, place = "", 0
    while place < len(pattern):
        character, place = pattern[place], place + 1
        if pattern.startswith("**", place - 1):
            place = place + 1 + pattern.startswith("/", place + 1)
            found += ".*" if place == len(pattern) else "(.*/)?"
        elif character == "\\" and place < len(pattern):
            found, place = found + re.escape(pattern[place]), place + 1
        elif character == "[":
            end = pattern.find("]", place)
            if end < 0:
                raise re.error("a `[` without `]`")
            found, place = found + _one_of(pattern[place:end]), end + 1
        else:
            found += {"*": "[^/]*", "?": "[^/]"}.get(character, re.escape(character))
    return found


def _one_of(characters: str) -> str:
    r"""A set such as `[a-z]`, `[^a]` or `[\]]`; `!` has no meaning in one."""
    negated = "^" if characters.startswith("^") else ""
    inner = re.sub(r"([\[&~|])", r"\\\1", characters.removeprefix("^"))
    return f"[{negated}{inner}]"
