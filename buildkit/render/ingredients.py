"""What templates need of images.toml and of a target's context, checked before any build."""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.config import requirements
from buildkit.config.problems import Problem
from buildkit.render import dockerfile, programs, render
from buildkit.support.errors import TemplateError
from buildkit.support.suggest import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from buildkit.config.schema import Places
    from buildkit.model.target import Target
    from buildkit.render.dockerfile import Instruction
    from buildkit.render.render import Templates

APT = f"r{render.SUFFIX}"
"""The shipped template that installs `packages` with apt."""
UNCERTAIN = re.compile(r"[*?\[$]")
"""Part of a source that names several files, or one that only the build knows."""


def problems(targets: Iterable[tuple[Target, Places]], source: Templates) -> Iterator[Problem]:
    """Unknown templates, and what the Dockerfile of a template does not find in the context.

    Every command calls this, so only one target of each kind is checked. Templates that cannot be
    rendered are left to the commands that render.
    """
    judged = set()
    for target, places in targets:
        if not source.has(target.template):
            yield _no_template(target, source, places)
            continue
        yield from _packages(target, places, source)
        if (kind := _kind(target)) not in judged:
            judged.add(kind)
            try:
                text = render.render(target, source).dockerfile
            except render.OtherBaseError as error:
                yield Problem(path=places.at("base"), message=f"{error.message}; {error.hint}")
                continue
            except TemplateError:
                continue
            found = dockerfile.instructions(text)
            message = next(
                _lacks(target, found, is_shipped=source.has_shipped(target.template)), None
            )
            if message is not None:
                yield Problem(path=places.at("context"), message=message)


def one_of_each_kind(targets: Iterable[Target]) -> tuple[Target, ...]:
    """Targets that stand for all: those of a kind fail alike."""
    return tuple({_kind(target): target for target in targets}.values())


def _kind(target: Target) -> tuple[object, ...]:
    locked = target.lock is not None
    return (target.template, target.context, target.purpose, target.name, target.base, locked)


def _packages(target: Target, places: Places, source: Templates) -> Iterator[Problem]:
    """Packages that the template's installer does not accept: apt in the shipped `r`, else pip.

    A template that extends `r` may install them with apt or with R: they are not checked.
    """
    is_r = f"{target.template}{render.SUFFIX}" == APT and source.has_shipped(target.template)
    if not is_r and source.uses(target.template, APT):
        return
    check = requirements.debian if is_r else requirements.requirement
    for text in target.packages:
        if is_r or requirements.is_of_apt(text):
            try:
                check(text)
            except ValueError as error:
                at = places.at("packages")
                yield Problem(path=at, message=str(error), cause=f"{at}: {error}")


def _no_template(target: Target, source: Templates, places: Places) -> Problem:
    written = places.has("template")
    similar = get_close_matches(target.template.removesuffix(render.SUFFIX), source.names, n=1)
    return Problem(
        path=places.at("template"),
        message=f"template `{shown(target.template)}` not found"
        + ("" if written else " (the default is the image's name)")
        + (f"; did you mean `{similar[0]}`? Or " if similar else "; ")
        + ("" if written else 'set `template = "…"`, or ')
        + f"create {source.own / f'{shown(target.template)}{render.SUFFIX}'}",
        known="" if similar else f"templates: {', '.join(f'`{name}`' for name in source.names)}",
    )


def _lacks(target: Target, found: Sequence[Instruction], *, is_shipped: bool) -> Iterator[str]:
    copied = [*dockerfile.copies(found)]
    if target.context is None:
        for each in (*(copy.instruction for copy in copied), *dockerfile.mounts(found)):
            what = f"has `{shown(str(each))}`" if each.word != "RUN" else "uses the build context"
            yield (
                f"the template `{target.template}` {what}, but the image has no "
                'context; write `context = "…"`, the folder with these files'
            )
        return
    context = Path(target.context)
    if not os.path.isdir(context):  # noqa: PTH112 - a too long name is reported elsewhere
        return
    for copy in copied:
        for source in copy.sources:
            if not UNCERTAIN.search(source) and not os.path.lexists(
                dockerfile.inside(context, source)
            ):
                yield (
                    f"the template `{target.template}` copies `{shown(source)}`, which is not in "
                    f"{context}"
                )
    made = dockerfile.last_stage(found)
    yield from programs.faults(target, context, made, is_shipped=is_shipped)
