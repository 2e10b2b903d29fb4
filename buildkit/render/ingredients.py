"""What templates need of images.toml and of a target's context, checked before any build."""

from __future__ import annotations

import os
import posixpath
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.config import requirements
from buildkit.config.problems import Problem
from buildkit.render import dockerfile, inputs, programs, render, stages
from buildkit.support.errors import TemplateError
from buildkit.support.suggest import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from buildkit.config.schema import Places
    from buildkit.model.target import Target
    from buildkit.render.dockerfile import Instruction
    from buildkit.render.programs import Looks
    from buildkit.render.render import Templates

APT = f"r{render.SUFFIX}"
"""The shipped template that installs `packages` with apt."""
"""The part of a path with which no template is found."""


def problems(targets: Iterable[tuple[Target, Places]], source: Templates) -> Iterator[Problem]:
    """Unknown templates, and what the Dockerfile of a template does not find in the context.

    Every command calls this, so only one target of each kind is checked. Templates that cannot be
    rendered are left to the commands that render.
    """
    judged, looks = set(), programs.Looks()
    for target, places in targets:
        if target.dockerfile is None:
            if not source.has(target.template) or render.is_for_others(target.template):
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
            message = next(_lacks(target, found, source, looks), None)
            if message is not None:
                by_default = target.dockerfile is not None and not places.has("context")
                at = places.at("dockerfile" if by_default else "context")
                yield Problem(path=at, message=message)


def one_of_each_kind(targets: Iterable[Target]) -> tuple[Target, ...]:
    """Targets that stand for all, those that `problems` has rendered: all of a kind fail alike."""
    found: dict[tuple[object, ...], Target] = {}
    for target in targets:
        found.setdefault(_kind(target), target)
    return tuple(found.values())


def _kind(target: Target) -> tuple[object, ...]:
    made_from = (target.template, target.dockerfile, target.stage, *target.build_arguments.items())
    locked = target.lock_file is not None
    return (*made_from, target.context, target.purpose, target.name, target.base, locked)


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
                yield Problem(path=at, message=str(error), cause=f"{at}: {error}", target=target.id)


def _no_template(target: Target, source: Templates, places: Places) -> Problem:
    at, name, listed = places.at("template"), shown(target.template), _listed(source)
    if render.is_for_others(target.template):
        message = (
            f"`{name}` cannot be the template of an image: templates that begin with `_` are for "
            "others to extend"
        )
        return Problem(path=at, message=message, known=listed)
    bare = posixpath.basename(target.template).removesuffix(render.SUFFIX)
    similar = get_close_matches(bare, source.names, n=1)
    known = "" if similar else listed
    if not render.is_a_name(target.template):
        message = f"`{name}` is not the name of a template: templates are files in {source.own}" + (
            f"; did you mean `{similar[0]}`?" if similar else ""
        )
        return Problem(path=at, message=message, known=known)
    written = places.has("template")
    message = (
        f"template `{name}` not found"
        + ("" if written else " (the default is the image's name)")
        + (f"; did you mean `{similar[0]}`?" if similar else ";")
    )
    if bare not in similar:
        message += (
            (" Or " if similar else " ")
            + ("" if written else 'set `template = "…"` or `dockerfile = "…"`, or ')
            + f"create {source.own / name}{render.SUFFIX}"
        )
    return Problem(path=at, message=message, known=known)


def _listed(source: Templates) -> str:
    return f"templates: {', '.join(f'`{name}`' for name in source.names)}"


def _lacks(
    target: Target, found: Sequence[Instruction], source: Templates, looks: Looks
) -> Iterator[str]:
    built = stages.built(found, target.build_arguments, target.stage)
    copies = [copy for each in built for copy in stages.layout(each).copies if copy.sources]
    if target.context is None:
        runs = (each for stage in built for each in stage.instructions if stages.mounts(each))
        for each in (*(copy.instruction for copy in copies), *runs):
            what = f"has `{shown(str(each))}`" if each.word != "RUN" else "uses the build context"
            yield (
                f"{_subject(target, source)} {what}, but the image has no "
                'context; write `context = "…"`, the folder with these files'
            )
        return
    context = Path(target.context)
    if not os.path.isdir(context):  # noqa: PTH112 - a too long name is reported elsewhere
        return
    ignore = inputs.ignore_file(target.dockerfile)
    left_out = f"the .dockerignore of {context}" if ignore is None else source.here(str(ignore))
    is_sent = partial(looks.reaches_build, context, source.limits, ignore)
    for copy in copies:
        for path in copy.sources:
            if not stages.UNCERTAIN.search(path):
                file = stages.inside(context, path)
                said = f"{_subject(target, source)} copies `{shown(path)}`, which"
                if not os.path.lexists(file):
                    yield f"{said} is not in {context}"
                elif _is_plain(file, context) and not is_sent(file):
                    yield f"{said} {left_out} leaves out"
    yield from programs.faults(target, context, built[0], source, looks)


def _subject(target: Target, source: Templates) -> str:
    if target.dockerfile is not None:
        return source.here(target.dockerfile)
    return f"the template `{target.template}`"


def _is_plain(file: Path, context: Path) -> bool:
    """Whether a path is a file, and no part of it a link: patterns of .dockerignore are for those.

    They may leave out a folder, and keep files in it.
    """
    below = file.relative_to(context)
    return file.is_file() and file.resolve() == context.resolve() / below
