"""A Dockerfile of the user's own: what is wrong with it, and what it builds on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.model import names
from buildkit.render import stages
from buildkit.render.dockerfile import GIVEN, UNKNOWN, VARIABLE, WORD, filled, unquoted
from buildkit.support import suggest
from buildkit.support.errors import TemplateError
from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from buildkit.model.target import Target
    from buildkit.render.dockerfile import Instruction
    from buildkit.render.stages import Stage

INSTRUCTIONS = (
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL",
    "MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
)  # fmt: skip
MAY_BE_BARE = ("CMD", "ENTRYPOINT")
"""Without arguments, they remove what the base has."""
BASE = "BASE"
"""The argument that gets `base` of images.toml, if the Dockerfile declares it."""
PREDEFINED = re.compile(
    rf"{GIVEN.pattern}|(?i:(?:https?|ftp|no|all)_proxy)|BUILDKIT_\w+|SOURCE_DATE_EPOCH"
)
"""Arguments that no Dockerfile has to declare."""
STAGE = re.compile(r"[a-z][a-z0-9_.-]*", re.IGNORECASE)
PLATFORM = "platform"
"""The only flag of FROM."""
ARCHITECTURES = {"aarch64": "arm64", "x86_64": "amd64", "x86-64": "amd64"}
"""Other names that BuildKit takes."""
TITLE, VERSION = "org.opencontainers.image.title", "org.opencontainers.image.version"


@dataclass(frozen=True, kw_only=True)
class Dockerfile:
    """A Dockerfile that was read, or what is `wrong` with it or its .dockerignore.

    `of_context`: the same of the files that a build would get.
    """

    instructions: tuple[Instruction, ...] = ()
    wrong: tuple[str, ...] = ()
    of_context: tuple[str, ...] = ()


def text(dockerfile: str) -> str:
    """The text of a Dockerfile of the user's own. Raises TemplateError."""
    try:
        return reading.text(dockerfile)
    except (OSError, ValueError) as error:
        raise TemplateError(
            f"{dockerfile} cannot be read: {error}", hint="`buildkit list`"
        ) from error


def faults(found: Sequence[Instruction]) -> Iterator[tuple[int, str]]:
    """What BuildKit would not accept, each with its line; not what only the build can find."""
    if not any(each.word == "FROM" for each in found):
        yield 1, "a Dockerfile needs a `FROM`"
        return
    has_begun = False
    for each in found:
        has_begun = has_begun or each.word == "FROM"
        shown = suggest.shown(each.word)
        if each.word not in INSTRUCTIONS:
            near = suggest.near_names(each.word, INSTRUCTIONS)
            meant = f"; did you mean `{near[0]}`?" if near else ""
            yield each.line, f"unknown instruction `{shown}`{meant}"
        elif not each.rest and each.word not in MAY_BE_BARE:
            yield each.line, f"`{shown}` has no arguments"
        elif not has_begun and each.word != "ARG":
            yield each.line, f"`{shown}` comes before the first FROM; only ARG can"
        elif each.word == "FROM" and (wrong := _of_from(each)):
            yield each.line, wrong


def _of_from(begin: Instruction) -> str:
    """What is wrong with a FROM, "" for nothing."""
    for name, _ in begin.flags:
        if name != PLATFORM:
            return f"`FROM` has no flag `--{suggest.shown(name)}`, only `--{PLATFORM}`"
    words = WORD.findall(begin.rest)
    if len(words) == 1:
        return ""
    if len(words) != 3 or words[1].lower() != "as":  # noqa: PLR2004
        return "write `FROM image` or `FROM image AS stage`"
    if not STAGE.fullmatch(words[2]):
        name = suggest.shown(words[2])
        return (
            f"`{name}` cannot be the name of a stage: it begins with a letter, and has only "
            "letters, digits, `-`, `_` and `.`"
        )
    return ""


def declared(found: Sequence[Instruction]) -> frozenset[str]:
    """The arguments that the Dockerfile has, in any stage."""
    return frozenset(name for each in found if each.word == "ARG" for name, _ in each.assigned)


def of_from(found: Sequence[Instruction]) -> frozenset[str]:
    """The arguments that a FROM can use: those before the first one."""
    begin = next((number for number, each in enumerate(found) if each.word == "FROM"), 0)
    return declared(found[:begin])


def check_stage(found: Sequence[Instruction], name: str) -> None:
    """Raise ValueError if the Dockerfile has no such stage."""
    every = stages.stages(found)
    if any(each.is_called(name) for each in every):
        return
    known = [each.name for each in every if each.name]
    near = suggest.near_names(name, known)
    meant = f"did you mean `{near[0]}`? " if near else ""
    there_are = suggest.listed("stages", known) if known else "its stages have no names"
    raise ValueError(f"unknown stage `{suggest.shown(name)}`; {meant}{there_are}")


def base(
    found: Sequence[Instruction], arguments: Mapping[str, str], platform: str, name: str | None
) -> str:
    """The image that a stage builds on, None: the last stage. Raises ValueError."""
    system, _, architecture = platform.partition("/")
    given = {
        "TARGETPLATFORM": platform,
        "TARGETOS": system,
        "TARGETARCH": architecture,
        "TARGETVARIANT": "",
    }
    needed = stages.built(found, {**given, **arguments}, name)
    stage = needed[0]
    begin = stage.instructions[0]
    said = f"line {begin.line}, `{suggest.shown(str(begin))}`"
    if (missing := _without_value(stage)) is not None:
        edit = "write `base`" if missing == BASE else f'write `args = {{ {missing} = "…" }}`'
        first = (
            "" if missing in of_from(found) else f"add `ARG {missing}` before the first FROM, and "
        )
        raise ValueError(f"{said}: `{missing}` has no value; {first}{edit}, or write a default")
    if UNKNOWN in stage.base:
        raise ValueError(f"{said}: only the build knows this image; name it without such variables")
    try:
        image = names.reference(stage.base)
    except ValueError as error:
        raise ValueError(f"{said}: {error}") from error
    _check_names(found, {image, *stages.images(needed)})
    if (other := _other_platform(stage, platform)) is not None:
        raise ValueError(
            f"{said}: the image would be one for `{suggest.shown(other)}`, but the target is for "
            f"`{platform}`; remove `--{PLATFORM}`, or change `platform` in images.toml"
        )
    return image


def _other_platform(stage: Stage, wanted: str) -> str | None:
    """The platform of the image, None if it is the wanted one, or only the build knows it.

    That of a stage is the platform of the image that it builds on.
    """
    written = dict(stage.instructions[0].flags).get(PLATFORM, "")
    named = filled(written, stage.arguments, are_all=True)
    if not named or UNKNOWN in named:
        return None
    system, architecture, *_ = *named.lower().split("/"), ""
    if not architecture:  # the system alone has the architecture of the builder
        system, architecture = "linux", system
    found = f"{system}/{ARCHITECTURES.get(architecture, architecture)}"
    return None if found == wanted or architecture == "linux" else named


def _check_names(found: Sequence[Instruction], images: Collection[str]) -> None:
    """Raise ValueError if a stage has the name of an image: BuildKit would replace both."""
    replaced = {names.context(image) for image in images}
    for each in stages.stages(found):
        if each.name in replaced:
            raise ValueError(f"stage `{each.name}` has the name of an image; rename the stage")


def _without_value(stage: Stage) -> str | None:
    """A variable in the FROM of a stage that has neither a value nor a default."""
    named = WORD.findall(stage.instructions[0].rest)[0]
    used = (
        match["bare"] or match["name"]
        for match in VARIABLE.finditer(unquoted(named))
        if not match["how"]
    )
    missing = (n for n in used if n not in stage.arguments or not stage.base)
    return next((n for n in missing if not GIVEN.fullmatch(n)), None)


def labels(target: Target, found: Sequence[Instruction]) -> dict[str, str]:
    """The labels that templates write. The stage may have a title and a version of its own."""
    stage = stages.built(found, target.build_arguments, target.stage)[0]
    written = (each for each in stage.instructions if each.word == "LABEL")
    own = {name.strip("\"'") for each in written for name, _ in each.assigned}
    ours = {TITLE: target.name, VERSION: target.version}
    ours = {name: value for name, value in ours.items() if name not in own}
    return {**ours, "buildkit.target": target.id, **dict(target.labels)}
