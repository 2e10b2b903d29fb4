"""What a template takes from the context of its target, found before anything is built."""

from __future__ import annotations

import os
import posixpath
import re
import stat
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit import dockerfile, render
from buildkit.errors import Problem, TemplateError
from buildkit.near import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from buildkit.cells import Places
    from buildkit.dockerfile import Copy, Instruction
    from buildkit.model import Target
    from buildkit.render import Templates

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
            message = next(_lacks(target, found), None)
            if message is not None:
                yield Problem(path=places.of("context"), message=message)


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


def _lacks(target: Target, found: Sequence[Instruction]) -> Iterator[str]:
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
            if not UNCERTAIN.search(source) and not os.path.lexists(_inside(context, source)):
                yield (
                    f"the template `{target.template}` copies `{shown(source)}`, which is not in "
                    f"{context}"
                )
    yield from _cannot_run(target, context, dockerfile.last_stage(found))


def _cannot_run(target: Target, context: Path, made: Sequence[Instruction]) -> Iterator[str]:
    """`train` and `serve` that the image would look for on its PATH, and may not run."""
    if any(each.word == "ENTRYPOINT" or "chmod" in each.rest for each in made):
        return  # they are no programs there, or become ones
    words = ["train"] * target.purpose.trains + ["serve"] * target.purpose.serves
    searched = dockerfile.searched(made)
    for copy in dockerfile.copies(made):
        for word in () if copy.mode else words:
            for file in _brought(copy, context, word, searched):
                if not file.stat().st_mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH):
                    yield (
                        f"`{word}` could not be started in the image, as its file has no run bit: "
                        f"`chmod +x {file}`, and commit that"
                    )


def _brought(copy: Copy, context: Path, word: str, searched: frozenset[str]) -> Iterator[Path]:
    """The file of the context that becomes a program called `word`."""
    for each in copy.sources:
        path = _inside(context, each)
        is_folder = os.path.isdir(path)  # noqa: PTH112 - as above
        file = path / word if is_folder else path
        place = copy.place(each, word, is_folder=is_folder)
        if place is None or posixpath.dirname(place) not in searched:
            continue
        if os.path.isfile(file):  # noqa: PTH113 - as above
            yield file


def _inside(context: Path, source: str) -> Path:
    """A path of the context, as Docker has it: nothing leads above."""
    return context / posixpath.normpath(f"/{source}").lstrip("/")
