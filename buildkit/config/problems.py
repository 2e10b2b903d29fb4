"""The problems of images.toml: collected, then reported together, each with its line."""

from __future__ import annotations

import re
from collections import defaultdict
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from buildkit.config import toml
from buildkit.support import addresses, amounts, manual
from buildkit.support.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from buildkit.config.toml import Where

MOST = 50
"""How many problems are shown, the first ones of the file: an author fixes no more at once."""
LONGEST = 1000
"""How many characters of a problem are shown: some repeat a long value of the file."""
EVERY = None
"""Stands for all images, in place of the name of one."""
OF_FILE = re.compile(r"(?P<file>[^:\s]+):(?P<line>[0-9]{1,9}): ")


class Problem(NamedTuple):
    """One thing that is wrong in images.toml: where (`path`), and what.

    Problems of several targets that one edit fixes have the same `cause`: only the first of them is
    shown, with the number of the other targets. `known` lists what could be written instead; a
    report shows each list once. `meant` is the key that an unknown one probably stands for.
    """

    path: Where
    message: str
    cause: str = ""
    known: str = ""
    meant: Where = ()
    target: object = None


@dataclass(kw_only=True)
class Problems:
    """Collects problems while targets are made, so that all of them are reported.

    `read` are the problems of the file's form. What they name is left out of the image.
    """

    read: tuple[Problem, ...]
    found: list[Problem] = field(default_factory=list)
    target: object = None

    def __post_init__(self) -> None:
        places = (place for other in self.read for place in (other.path, other.meant))
        self._left_out: dict[str | None, set[str | int]] = defaultdict(set)
        for image, key in filter(None, map(_left_out, places)):
            self._left_out[image].add(key)

    def of(self, target: object) -> Problems:
        """The same collection, for the problems of one target."""
        same = copy(self)
        same.target = target
        return same

    def empty(self) -> Problems:
        """A new collection, which knows what the file lacks."""
        same = copy(self)
        same.found = []
        return same

    def add(self, path: Where, message: str, cause: str = "") -> None:
        problem = Problem(
            path=path, message=message, cause=cause, target=self.target if cause else None
        )
        # Problems with a cause are all kept: the report counts their targets.
        if cause or problem not in self.found:
            self.found.append(problem)

    def lacks(self, image: str, *keys: str) -> bool:
        """Whether an image lacks one of these keys, since its value was wrong.

        Then whatever is missing because of it is no problem of its own.
        """
        return any(key in self._left_out.get(name, ()) for name in (EVERY, image) for key in keys)

    def lacks_metrics(self) -> bool:
        """Whether samples may lack a metric since it was wrong: their own, or of named samples."""
        places = [place for other in self.read for place in (other.path, other.meant)]
        return any("metrics" in place or place[:1] == ("samples",) for place in places)

    def has(self, path: Where) -> bool:
        """Whether a problem was found at `path`, or below it."""
        return any(other.path[: len(path)] == path for other in self.found)

    def check(self, path: Where, check: Callable[[str], str], text: str, pattern: str = "") -> str:
        """The text, checked. With the `pattern` it comes from, all targets share one cause."""
        try:
            return check(text)
        except ValueError as error:
            message = str(error)
            rest = message.replace(addresses.quoted(text), "")
            cause = f"{path} {pattern}: {rest}" if pattern else ""
            self.add(path, message, cause)
            return text


def _left_out(place: Where) -> tuple[str | None, str | int] | None:
    """The key that an image lacks because of a problem there, and the image, or EVERY."""
    match place:
        case ("image", str(name), "override", _, key, *_) if key != "when":
            return name, key
        case ("image", str(name), key, *_):
            return name, key
        case () | ("image", *_):
            return None
        case ("defaults" | "registry", key, *_):
            return EVERY, key
        case _:
            return EVERY, place[0]


def fail(file: str, text: str, problems: Iterable[Problem]) -> None:
    """Raise ConfigError with one line per problem, in the order of `text`; without any, return.

    `file` is the name of images.toml, and `text` its content.
    """
    causes = _by_cause(problems)
    if not causes:
        return
    lines = toml.lines_of(text)
    found: dict[tuple[int, str, Where], tuple[Problem, int]] = {}  # the same message counts once
    for problem, others in causes:
        line = toml.line_of(problem.path, lines)
        found.setdefault((line, problem.message, problem.path), (problem, others))
    ordered = sorted(found.items(), key=lambda item: _order(*item[0][:2]))
    shown = _with_lists(
        (f"{file}:{line}: {_said(problem, others)}", problem.known)
        for (line, _, _), (problem, others) in ordered[:MOST]
    )
    more = [f"... and {len(found) - MOST} more"] if len(found) > MOST else []
    raise ConfigError(
        f"{amounts.count(len(found), 'problem')} in {file}",
        details="\n".join([*shown, *more]),
        hint=f"edit {file}, then `buildkit list`; each key: {manual.page('images-toml')}",
    )


def _said(problem: Problem, others: int) -> str:
    """The key and the message on one line: keys and values of the file may have several."""
    where = ".".join(addresses.shown(str(key)) for key in problem.path)
    also = f" (and {amounts.count(others, 'more target')})" if others else ""
    message = addresses.brief(addresses.hidden(problem.message))
    said = f"{addresses.cut(where)}: {addresses.cut(message, LONGEST)}{also}"
    return said.replace("\n", r"\n")


def _order(line: int, message: str) -> tuple[int, tuple[str, int], str]:
    """By line; problems of a file that images.toml names also by their line in that file."""
    match = OF_FILE.match(message)
    return line, (match["file"], int(match["line"])) if match else ("", 0), message


def _by_cause(problems: Iterable[Problem]) -> list[tuple[Problem, int]]:
    """The first problem of each cause, and how many other targets have it."""
    found: dict[object, list[Problem]] = {}
    for problem in problems:
        found.setdefault(problem.cause or problem, []).append(problem)
    return [(each[0], len({problem.target for problem in each}) - 1) for each in found.values()]


def _with_lists(lines: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Each line with the list of what could be written instead, unless a line above has it."""
    listed = {""}
    for line, others in lines:
        yield line if others in listed else f"{line}; {others}"
        listed.add(others)
