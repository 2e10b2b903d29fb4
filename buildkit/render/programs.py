"""Whether an image can start the programs that a template copies from the context of a target.

A problem is stated only if no step of the build can change it. What is not certain is left to the
test of the built image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING

from buildkit.render import inputs, program_file, stages
from buildkit.render.stages import Copy
from buildkit.support.errors import ToolError
from buildkit.support.suggest import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from buildkit.config.boundary import Boundary
    from buildkit.model.target import Target
    from buildkit.render.dockerfile import Instruction
    from buildkit.render.render import Templates
    from buildkit.render.stages import Layout, Stage

FORMS = {"basic": ("{}",), "r": ("{}.R", "{}")}
"""Shipped templates whose context holds the programs, and what the programs may be called."""
NO_FILES = frozenset({".dockerignore", ".gitkeep", ".gitignore"})
TOOLKITS = "sagemaker"
"""How the names of AWS's packages begin that install programs `train` or `serve`."""
BARE = ("python:", "debian:", "ubuntu:", "python@", "debian@", "ubuntu@")
"""How bases begin that have no entrypoint."""
OCTAL = re.compile(r"[0-7]+")
RUN_BITS = 0o111


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Looks at each file of a context once: many images have the same one."""

    reaches_build: Callable[..., bool] = field(default_factory=lambda: cache(reaches_build))
    fault: Callable[..., str | None] = field(default_factory=lambda: cache(program_file.fault))


def faults(
    target: Target, context: Path, image: Stage, source: Templates, looks: Looks
) -> Iterator[str]:
    """Messages, missing programs first. `image`: the last stage of the Dockerfile."""
    words = ["train"] * target.purpose.trains + ["serve"] * target.purpose.serves
    is_shipped = source.has_shipped(target.template)
    ignore = inputs.ignore_file(target.dockerfile)
    is_sent = partial(looks.reaches_build, context, source.limits, ignore)
    if is_shipped and target.template in FORMS:
        yield from _missing(target, context, words, is_sent)
    # Another base may have a program behind a folder of this name, and an entrypoint that is a
    # shell, which reads a script without a first line.
    started = is_shipped and target.template == "basic" and _is_bare(target)
    layout = stages.layout(image)
    for word in words:
        if (certain := _certain(layout, context, word, is_sent)) is None:
            continue
        copy, file = certain
        fault = looks.fault(file, context, runs=copy.mode is None, started=started)
        if fault is None and _takes_run_bits(copy):
            fault = f"`--chmod={copy.mode}` makes it not executable; write `--chmod=755`"
        if fault is not None:
            yield f"the image could not start `{word}`: {fault}"


def _certain(
    layout: Layout, context: Path, word: str, is_sent: Callable[[Path], bool]
) -> tuple[Copy, Path] | None:
    """The one file that the image can start as `word`, and what copies it.

    None if the image has an entrypoint, if there are several such files, or if a step that is not
    read with certainty may change the file or make another one.
    """
    found: tuple[Copy, Path] | None = None
    for step in layout.steps:
        if not isinstance(step, Copy):
            is_run = step.word == "RUN"
            if step.word == "ENTRYPOINT" or (is_run and (found or _names(word, step))):
                return None
        elif step.may_hold(word, layout.path):
            if not step.is_read:
                return None
            files = [*filter(is_sent, step.files(context, word, layout.path))]
            if len(files) > (found is None):
                return None
            if files:
                found = step, files[0]
    return found


def _names(word: str, run: Instruction) -> bool:
    return re.search(rf"\b{word}\b|{TOOLKITS}", f"{run.rest}\n{run.body}") is not None


def _takes_run_bits(copy: Copy) -> bool:
    mode = OCTAL.fullmatch(copy.mode or "")
    return mode is not None and not int(mode[0], 8) & RUN_BITS


def reaches_build(context: Path, limits: Boundary, ignore: Path | None, file: Path) -> bool:
    """Whether a build gets a file of its context; yes if .dockerignore cannot be read."""
    if not file.is_relative_to(context):
        return True
    try:
        return inputs.is_sent(file, context, limits, ignore)
    except (OSError, ValueError, ToolError):
        return True


def _missing(
    target: Target, context: Path, words: Sequence[str], is_sent: Callable[[Path], bool]
) -> Iterator[str]:
    try:
        entries = sorted({each.name for each in context.iterdir()} - NO_FILES)
    except OSError:
        return
    said = f"the template `{target.template}` takes its programs from {context}"
    forms = FORMS[target.template]
    if not entries:
        yield f"{said}, which is empty"
        return
    missing, elsewhere = [], target.template == "basic" and _may_have_them(target)
    for word in words:
        wanted = [form.format(word) for form in forms]
        ignored = [each for each in wanted if each in entries and not is_sent(context / each)]
        there = [each for each in wanted if each in entries and each not in ignored]
        if ignored and not there and not elsewhere:
            yield f"{said}, but .dockerignore there leaves out `{ignored[0]}`"
        elif not there and not ignored:
            missing.append(" or ".join(f"`{each}`" for each in wanted))
            similar = [
                each for each in entries
                if each.lower() in (*map(str.lower, wanted), f"{word}.py", f"{word}.sh")
            ]  # fmt: skip
            if similar:
                yield f"{said}; rename `{shown(similar[0])}` there to `{wanted[0]}`"
        elif there and target.template == "r":
            yield from _behind_the_wrapper(context, there[0], is_program=there[0] == word)
    if missing and not elsewhere:
        yield f"{said}, which lacks {' and '.join(missing)}"


def _behind_the_wrapper(context: Path, name: str, *, is_program: bool) -> Iterator[str]:
    """What the wrapper of the template `r` cannot start: a program, or a script of R."""
    file = context / name
    fault = program_file.fault(file, context, runs=is_program)
    if fault is None and not is_program and file.is_dir():
        fault = f"{file} is a folder, not a file"
    if fault is not None:
        yield f"the image could not start `{name}`: {fault}"


def _is_bare(target: Target) -> bool:
    """Whether a base has no entrypoint and none of the programs."""
    return not _may_have_them(target) and _official(target.base).startswith(BARE)


def _official(base: str) -> str:
    """The name of a base in Docker's library; it has a `/` if the base is not from there."""
    return base.removeprefix("docker.io/").removeprefix("library/")


def _may_have_them(target: Target) -> bool:
    """A base may have the programs, unless it is one of Docker's official images."""
    return "/" in _official(target.base) or any(
        package.lower().startswith(TOOLKITS) for package in target.packages
    )
