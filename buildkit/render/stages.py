"""The instructions of a Dockerfile -> its stages, and what each of them copies, and where to."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING

from buildkit.render.dockerfile import GIVEN, UNKNOWN, WORD, filled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from buildkit.render.dockerfile import Instruction

UNCERTAIN = re.compile(rf"[*?\[$\\{UNKNOWN}]")
"""Part of a path that names several files, or one that only the build knows."""
ELSEWHERE = re.compile(r"(?:https?://|git@|ssh://|git://|\d*<<)")
"""How sources begin that are no files of the context."""
PLAIN = frozenset({"chmod", "chown", "link"})
"""The flags of a COPY that do not change which files it copies."""
SEARCHED = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""The PATH of an image that sets none."""
STEP_COPY = re.compile(
    r"began=.* mkdir -p (\S+) && cp -r /run/context/(\S+) \1 && chmod -R u=rwX,go=rX \1 && "
    r"\{ touch .* touch -hcd @946684800; \}"
)
"""A `step.copy` from the context (templates/macros/step.j2)."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """`instructions`: also those of the earlier stages that it builds on.

    `base`: the image that the first of these builds on, "" if there is none; UNKNOWN stands for
    the parts of the name that only the build knows. `arguments`: those before the first FROM.
    `given`: those that the build passes.
    """

    name: str
    number: int
    base: str
    arguments: Mapping[str, str]
    given: Mapping[str, str]
    instructions: tuple[Instruction, ...]

    @property
    def sources(self) -> frozenset[str]:
        """The names of the stages and images that its steps copy from or mount."""
        flags = (flag for each in self.instructions for flag in each.flags)
        names = (
            value if name == "from" else _mount(value).get("from", "") for name, value in flags
        )
        return frozenset(names) - {""}

    @property
    def copied(self) -> frozenset[str]:
        """The same in lower case: stages are found by it."""
        return frozenset(map(str.lower, self.sources))

    def is_called(self, name: str) -> bool:
        """Whether this is the name or the number of the stage."""
        return name.lower() in {self.name, str(self.number)}


@dataclass(frozen=True, kw_only=True)
class Copy:
    """What a COPY, an ADD or a `step.copy` copies: `sources` are those of the context.

    `mode`: the permissions that it sets. `is_read`: it is certain which files it copies, and where.
    """

    instruction: Instruction
    sources: tuple[str, ...]
    destination: str
    mode: str | None
    is_read: bool

    def files(self, context: Path, name: str, path: Sequence[str]) -> Iterator[Path]:
        """The files of the context that it copies as `name` to a folder of PATH."""
        for source in self.sources:
            here = inside(context, source)
            if os.path.isdir(here):  # noqa: PTH112 - its content is copied; a name may be too long
                below = (posixpath.relpath(each, self.destination) for each in path)
                found = [here / each / name for each in below if each.split("/")[0] != ".."]
            else:
                place = self._place(posixpath.basename(source), path)
                found = [here] * (place in {f"{folder}/{name}" for folder in path})
            yield from filter(os.path.lexists, found)

    def may_hold(self, name: str, path: Sequence[str]) -> bool:
        """Whether its destination is a program on PATH, or a folder that may contain it."""
        at = posixpath.normpath(self.destination)
        places = (f"{folder}/{name}" for folder in path)
        return UNCERTAIN.search(at) is not None or any(
            posixpath.commonpath((at, place)) == at for place in places
        )

    def _place(self, name: str, path: Sequence[str]) -> str:
        at = posixpath.normpath(self.destination)
        is_folder = self.destination.endswith("/") or len(self.sources) > 1 or at in path
        return posixpath.join(at, name) if is_folder else at


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The steps of a stage in their order, and the folders in which its image searches programs."""

    steps: tuple[Copy | Instruction, ...]
    path: tuple[str, ...]

    @property
    def copies(self) -> tuple[Copy, ...]:
        return tuple(each for each in self.steps if isinstance(each, Copy))


def stages(
    found: Sequence[Instruction], given: Mapping[str, str] = MappingProxyType({})
) -> tuple[Stage, ...]:
    """All stages; the last one becomes the image unless the build names another.

    An ARG without a default is empty, unless the build passes it with `given`.
    """
    begins = [number for number, each in enumerate(found) if each.word == "FROM"]
    arguments = {name: value for name, value in given.items() if GIVEN.fullmatch(name)}
    for each in found[: begins[0] if begins else 0]:
        for name, value in each.assigned if each.word == "ARG" else ():
            if name in given:
                arguments[name] = given[name]
            elif value is not None:
                arguments[name] = filled(value, arguments, are_all=True)
    every: list[Stage] = []
    for number, (begin, end) in enumerate(pairwise([*begins, len(found)])):
        named, *alias = WORD.findall(found[begin].rest) or [""]
        if named.lower() == "as" and len(alias) == 1:  # the name before `AS` is empty
            named, alias = "", [named, *alias]
        name = alias[1].lower() if len(alias) > 1 and alias[0].lower() == "as" else ""
        base = filled(named, arguments, are_all=True)
        above = next((each for each in reversed(every) if each.name == base.lower() != ""), None)
        stage = Stage(
            name=name,
            number=number,
            base=above.base if above else base,
            arguments=arguments,
            given=given,
            instructions=(*(above.instructions if above else ()), *found[begin:end]),
        )
        every.append(stage)
    return tuple(every)


def built(
    found: Sequence[Instruction],
    given: Mapping[str, str] = MappingProxyType({}),
    name: str | None = None,
) -> tuple[Stage, ...]:
    """The stages that a build needs, that of the image first. BuildKit builds no others.

    `name`: the stage that becomes the image, None for the last.
    """
    every = stages(found, given)
    wanted = [*every[-1:]] if name is None else [each for each in every if each.is_called(name)][:1]
    for stage in wanted:  # grows
        wanted += [
            each for each in every if any(map(each.is_called, stage.copied)) and each not in wanted
        ]
    return tuple(wanted)


def images(needed: Sequence[Stage]) -> frozenset[str]:
    """The images that stages build on or copy from, as far as the Dockerfile names them."""
    named = {each.base for each in needed}.union(*(each.sources for each in needed))
    return frozenset(
        name
        for name in named
        if name and not any(each.is_called(name) for each in needed) and not UNCERTAIN.search(name)
    )


def layout(stage: Stage) -> Layout:
    """WORKDIR, ARG and ENV count, those of the base are unknown."""
    variables = {"PATH": ":".join(SEARCHED)}
    of_env: set[str] = set()
    fill = partial(filled, variables=variables, are_all=False)
    folder = UNKNOWN
    steps: list[Copy | Instruction] = []
    for each in stage.instructions:
        steps.append(_step(each, folder, fill))
        if each.word == "WORKDIR":
            folder = posixpath.join(folder, fill(each.rest))
        elif each.word == "ENV":
            values = {name: fill(value or "") for name, value in each.assigned}
            of_env |= {*values}
            variables.update(values)
        elif each.word == "ARG":
            for name, value in each.assigned:
                if name not in of_env:
                    without = UNKNOWN if GIVEN.fullmatch(name) else ""
                    default = stage.arguments.get(name, without) if value is None else fill(value)
                    variables[name] = stage.given.get(name, default)
    path = (each for each in variables["PATH"].split(":") if each.startswith("/"))
    return Layout(steps=tuple(steps), path=tuple(dict.fromkeys(map(posixpath.normpath, path))))


def inside(context: Path, source: str) -> Path:
    """A path in the context. As in Docker, `..` does not lead above it."""
    return context / posixpath.normpath(f"/{source}").lstrip("/")


def mounts(instruction: Instruction) -> bool:
    """Whether a RUN mounts the context."""
    fields = (_mount(value) for name, value in instruction.flags if name == "mount")
    return any(each.get("type", "bind") == "bind" and "from" not in each for each in fields)


def _mount(value: str) -> dict[str, str]:
    return dict(part.partition("=")[::2] for part in value.split(","))


def _step(instruction: Instruction, folder: str, fill: Callable[[str], str]) -> Copy | Instruction:
    """`folder`: that of the last WORKDIR."""
    if mounts(instruction) and (step := STEP_COPY.fullmatch(" ".join(instruction.rest.split()))):
        into, source = posixpath.join(folder, step[1]), step[2]
        return Copy(
            instruction=instruction,
            sources=(source,),
            # `cp` copies a folder itself, unlike COPY.
            destination=f"{into}/" if source == "." else f"{into}/{posixpath.basename(source)}",
            mode=None,
            is_read=not UNCERTAIN.search(source + into),
        )
    if instruction.word not in ("COPY", "ADD"):
        return instruction
    flags = dict(instruction.flags)
    *named, destination = map(fill, instruction.words or [""])
    sources = () if "from" in flags else tuple(each for each in named if not ELSEWHERE.match(each))
    at = posixpath.join(folder, destination)
    return Copy(
        instruction=instruction,
        sources=sources,
        destination=at,
        mode=flags.get("chmod"),
        is_read=instruction.word == "COPY"  # ADD unpacks archives
        and len(sources) == len(named)
        and flags.keys() <= PLAIN
        and not any(UNCERTAIN.search(each) for each in (*named, at)),
    )
