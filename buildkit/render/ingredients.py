"""What templates need of images.toml and of a target's context, checked before any build."""

from __future__ import annotations

import codecs
import os
import posixpath
import re
import stat
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.config import requirements
from buildkit.config.problems import Problem
from buildkit.render import dockerfile, inputs, render
from buildkit.support.errors import TemplateError, ToolError
from buildkit.support.suggest import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from buildkit.config.boundary import Boundary
    from buildkit.config.schema import Places
    from buildkit.model.target import Target
    from buildkit.render.dockerfile import Copy, Instruction
    from buildkit.render.render import Templates

APT = f"r{render.SUFFIX}"
"""The shipped template that installs `packages` with apt."""
UP = ".."
"""The part of a path with which no template is found."""
UNCERTAIN = re.compile(r"[*?\[$]")
"""Part of a source that names several files, or one that only the build knows."""
FORMS = {"basic": ("{}",), "r": ("{}.R", "{}")}
"""Shipped templates whose context holds the programs, and what the programs may be called."""
NO_FILES = frozenset({".dockerignore", ".gitkeep", ".gitignore"})
MADE_EXECUTABLE = re.compile(r"chmod(?! -R u=rwX,go=rX )")
"""A change of permissions, unless it is that of `step.copy`, which makes no file executable."""
TOOLKITS = "sagemaker"
"""How the names of AWS's packages begin that install programs `train` or `serve`."""
BARE = ("python:", "debian:", "ubuntu:", "python@", "debian@", "ubuntu@")
"""How bases begin that have no entrypoint."""
INTERPRETERS = ("python", "bash", "Rscript")
NO_TYPOS = frozenset({"ipython", "bpython", "jython", "cython", "pythonw", "rbash"})
ALIKE = 0.8
"""How similar to an interpreter (difflib) a misspelt one is."""
WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE, b"#\0", b"\0#", b"\0\0\0#")
"""How scripts in UTF-16 or UTF-32 begin, with and without a byte order mark."""
SPLIT = re.compile(r"^(?:-[a-z0]*S|--split-string=?)")
"""The options with which `env` splits the one argument that Linux passes from a first line."""
HEAD = 256
"""Bytes of the first line that Linux reads (linux/binfmts.h, BINPRM_BUF_SIZE)."""


@dataclass(frozen=True, kw_only=True)
class _Looks:
    """Looks at each file of a context once: many images have the same one."""

    is_sent: Callable[[Path, Boundary, Path], bool] = field(default_factory=lambda: cache(_is_sent))
    of_file: Callable[..., str | None] = field(default_factory=lambda: cache(_of_file))


def problems(targets: Iterable[tuple[Target, Places]], source: Templates) -> Iterator[Problem]:
    """Unknown templates, and what the Dockerfile of a template does not find in the context.

    Every command calls this, so only one target of each kind is checked. Templates that cannot be
    rendered are left to the commands that render.
    """
    judged, looks = set(), _Looks()
    for target, places in targets:
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
                yield Problem(path=places.at("context"), message=message)


def one_of_each_kind(targets: Iterable[Target]) -> tuple[Target, ...]:
    """Targets that stand for all, those that `problems` has rendered: all of a kind fail alike."""
    found: dict[tuple[object, ...], Target] = {}
    for target in targets:
        found.setdefault(_kind(target), target)
    return tuple(found.values())


def _kind(target: Target) -> tuple[object, ...]:
    locked = target.lock_file is not None
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
    if UP in target.template.split("/"):
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
            + ("" if written else 'set `template = "…"`, or ')
            + f"create {source.own / name.lstrip('/')}{render.SUFFIX}"
        )
    return Problem(path=at, message=message, known=known)


def _listed(source: Templates) -> str:
    return f"templates: {', '.join(f'`{name}`' for name in source.names)}"


def _lacks(
    target: Target, found: Sequence[Instruction], source: Templates, looks: _Looks
) -> Iterator[str]:
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
        for path in copy.sources:
            if not UNCERTAIN.search(path) and not os.path.lexists(dockerfile.inside(context, path)):
                yield (
                    f"the template `{target.template}` copies `{shown(path)}`, which is not in "
                    f"{context}"
                )
    made = dockerfile.last_stage(found)
    yield from _faults(target, context, made, source, looks)


def _faults(
    target: Target,
    context: Path,
    made: Sequence[Instruction],
    source: Templates,
    looks: _Looks,
) -> Iterator[str]:
    """Messages, missing programs first. `made` is the last stage of the Dockerfile."""
    if any(each.word == "ENTRYPOINT" or MADE_EXECUTABLE.search(each.rest) for each in made):
        return  # such files are no programs in the image, or become executable there
    words = ["train"] * target.purpose.trains + ["serve"] * target.purpose.serves
    is_shipped = source.has_shipped(target.template)
    is_sent = partial(looks.is_sent, context, source.limits)
    if is_shipped and target.template in FORMS:
        yield from _missing(target, context, words, is_sent)
    searched = dockerfile.searched(made)
    # Another base may have a program behind a folder of this name, and an entrypoint that is a
    # shell, which reads a script without a first line.
    started = is_shipped and target.template == "basic" and _is_bare(target)
    for copy in dockerfile.copies(made):
        for word in words:
            for file in filter(is_sent, _copied(copy, context, word, searched)):
                fault = looks.of_file(file, context, runs=not copy.mode, started=started)
                if fault is not None:
                    yield f"the image could not start `{word}`: {fault}"


def _is_sent(context: Path, limits: Boundary, file: Path) -> bool:
    """Whether a build gets a file of its context; yes if .dockerignore cannot be read."""
    if not file.is_relative_to(context):
        return True
    try:
        return inputs.is_sent(file, context, limits)
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
        elif there and there[0] != word:
            fault = _of_file(context / there[0], context, runs=False)
            if fault is not None:
                yield f"the image could not start `{there[0]}`: {fault}"
    if missing and not elsewhere:
        yield f"{said}, which lacks {' and '.join(missing)}"


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


def _copied(copy: Copy, context: Path, word: str, searched: frozenset[str]) -> Iterator[Path]:
    """The files of the context that become a program called `word`."""
    for each in copy.sources:
        path = dockerfile.inside(context, each)
        is_folder = os.path.isdir(path)  # noqa: PTH112 - a name may be too long
        file = path / word if is_folder else path
        place = copy.place(each, word, is_folder=is_folder)
        if place is None or posixpath.dirname(place) not in searched:
            continue
        if os.path.lexists(file):
            yield file


def _of_file(file: Path, context: Path, *, runs: bool, started: bool = False) -> str | None:
    """Why a file is no program. `runs`: the image gets the permissions that the file has here.

    `started`: Linux itself starts it, not a shell or another program.
    """
    if not os.path.exists(file):  # noqa: PTH110 - as above
        to = str(file.readlink())
        here = Path(os.path.normpath(file.parent / to)).is_relative_to(os.path.normpath(context))
        # Other links may lead to a file of the image.
        return f"{file} is a link to `{shown(to)}`, which does not exist" if here else None
    found = file.stat()
    if stat.S_ISDIR(found.st_mode):
        return f"{file} is a folder, not a file" if started else None
    if not stat.S_ISREG(found.st_mode):
        return None
    if not found.st_size:
        return f"{file} is empty"
    if runs and not found.st_mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH):
        return f"its file is not executable; run `chmod +x {file}`, and commit that"
    # Files outside of the context are not read.
    is_here = Path(os.path.realpath(file)).is_relative_to(os.path.realpath(context))
    return _of_first_line(file, context, started=started) if is_here else None


def _of_first_line(file: Path, context: Path, *, started: bool) -> str | None:
    try:
        with file.open("rb") as opened:
            line, end, _ = opened.read(HEAD).partition(b"\n")
    except OSError:
        return None
    if line.startswith(WIDE):
        return f"{file} is not UTF-8 text, but UTF-16 or UTF-32; save it as UTF-8"
    if not line.startswith(b"#!"):
        return _of_other_line(file, line) if started else None
    if end and line.endswith(b"\r"):
        return (
            f"the first line of {file} ends with CR LF, as on Windows, and Linux takes the CR as "
            f"part of the interpreter's name; run `sed -i 's/\\r$//' {file}`"
        )
    words = line[2:].decode(errors="replace").split()
    if not words:
        return _no_interpreter(file) if started else None
    return _of_interpreter(file, context, *words)


def _of_interpreter(file: Path, context: Path, path: str, *arguments: str) -> str | None:
    """What is wrong with the interpreter that the first line names."""
    name = posixpath.basename(path)
    if name == "env":
        first, *others = arguments or ("",)
        words = (SPLIT.sub("", first), *others)
        named = (each for each in words if each and each[0] != "-" and "=" not in each)
        if (name := next(named, "")) == "":
            return _no_interpreter(file)
        if others and not SPLIT.match(first):
            return (
                f"the first line of {file} gives `env` several words, which Linux passes as one; "
                f"write `#!{shown(path)} -S {shown(' '.join(arguments))}`"
            )
    if (context / name).exists():
        return None
    if "/" not in path:
        return (
            f"{file} names the interpreter `{shown(path)}` without its folder; write "
            f"`#!/usr/bin/env {shown(path)}`"
        )
    bare = name.rstrip("0123456789.")
    similar = get_close_matches(bare, INTERPRETERS, n=1, cutoff=ALIKE)
    if not similar or bare in {*INTERPRETERS, *NO_TYPOS}:
        return None
    return f"{file} names the interpreter `{shown(name)}`; did you mean `{similar[0]}`?"


def _of_other_line(file: Path, line: bytes) -> str | None:
    """Why Linux cannot start a text that names no interpreter. Machine code has NUL bytes."""
    if b"\0" in line:
        return None
    if line.startswith(codecs.BOM_UTF8):
        return f"{file} begins with a byte order mark; run `sed -i '1s/^\\xEF\\xBB\\xBF//' {file}`"
    return _no_interpreter(file)


def _no_interpreter(file: Path) -> str:
    return f"the first line of {file} names no interpreter; begin it with `#!/usr/bin/env python3`"
