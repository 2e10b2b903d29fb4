"""What a template takes from the context of its target, found before anything is built."""

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

    from buildkit.config.layers import Places
    from buildkit.model.target import Target
    from buildkit.render.dockerfile import Instruction
    from buildkit.render.render import Templates

APT = f"r{render.SUFFIX}"
"""The template of ours that has `packages` installed by apt."""
UNCERTAIN = re.compile(r"[*?\[$]")
"""In a source that names more than one file, or one that the build knows alone."""


def problems(targets: Iterable[tuple[Target, Places]], source: Templates) -> Iterator[Problem]:
    """A template that there is none of, and what the Dockerfile of a template lacks in a context.

    Targets that share template, base and context are judged by the first of each purpose: this
    happens for every command. What cannot be rendered is left to `render`, which says why.
    """
    judged = set()
    for target, places in targets:
        if not source.has(target.template):
            yield _no_template(target, source, places)
            continue
        yield from _packages(target, places, source)
        alike = (target.template, target.context, target.purpose, target.name, target.base)
        if alike not in judged:
            judged.add(alike)
            try:
                text = render.render(target, source).dockerfile
            except render.OtherBaseError as error:
                yield Problem(path=places.of("base"), message=f"{error.message}; {error.hint}")
                continue
            except TemplateError:
                continue
            found = dockerfile.instructions(text)
            message = next(
                _lacks(target, found, is_shipped=source.has_shipped(target.template)), None
            )
            if message is not None:
                yield Problem(path=places.of("context"), message=message)


def _packages(target: Target, places: Places, source: Templates) -> Iterator[Problem]:
    """What whoever installs cannot be asked for: apt in the shipped `r`, elsewhere pip.

    A template that extends `r` may have them installed by apt, or by R.
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
                at = places.of("packages")
                yield Problem(path=at, message=str(error), cause=f"{at}: {error}")


def _no_template(target: Target, source: Templates, places: Places) -> Problem:
    written = places.has("template")
    near = get_close_matches(target.template.removesuffix(render.SUFFIX), source.names, n=1)
    return Problem(
        path=places.of("template"),
        message=f"there is no template `{shown(target.template)}`"
        + ("" if written else ", as the image is called")
        + (f"; did you mean `{near[0]}`?" if near else ";")
        + ("" if written else ' write `template = "…"`,')
        + (" or write" if near or not written else " write")
        + f" {source.own / f'{shown(target.template)}{render.SUFFIX}'}",
        known="" if near else f"there is: {', '.join(f'`{name}`' for name in source.names)}",
    )


def _lacks(target: Target, found: Sequence[Instruction], *, is_shipped: bool) -> Iterator[str]:
    copied = [*dockerfile.copies(found)]
    if target.context is None:
        for each in (*(copy.instruction for copy in copied), *dockerfile.mounts(found)):
            yield (
                f"the template `{target.template}` has `{shown(str(each))}`, and there is no "
                'context to take that from; write `context = "…"`, the folder of these files'
            )
        return
    context = Path(target.context)
    if not os.path.isdir(context):  # noqa: PTH112 - a name may be too long; that is told elsewhere
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
