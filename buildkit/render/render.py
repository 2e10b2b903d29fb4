"""Target -> Dockerfile text, through Jinja."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import jinja2
from jinja2 import meta
from jinja2.loaders import split_template_path
from packaging.requirements import Requirement

from buildkit.config import boundary
from buildkit.model import names
from buildkit.model.target import Rendered
from buildkit.render import dockerfile, failures, own_dockerfile, stages
from buildkit.render.sandbox import LARGEST, Sandbox, ShellLengths
from buildkit.support.errors import TemplateError
from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from buildkit.config.boundary import Boundary
    from buildkit.model.target import Target

SUFFIX = ".Dockerfile.j2"
FROM_LOCK = "--mount=type=bind,from=lock,"
COMPAT = "/usr/local/bin/cuda-compat"
"""The program of templates/macros/cuda.j2."""
NOT_REPRODUCIBLE = re.compile(
    r"\{#-?\s*not reproducible:\s*(.+?)\s*-?#\}|^#\s*not reproducible:[ \t]*([^\n]+)",
    re.DOTALL | re.MULTILINE,
)
"""The comment of a template or a Dockerfile whose images differ from build to build: the reason."""


class OtherBaseError(TemplateError):
    """A template does not build on the base of its target."""


@dataclass(frozen=True, kw_only=True)
class Templates:
    """The folders that templates are searched in: the project's own, then the shipped one.

    Each file is found, read and parsed once. `used_by` has the files that a file refers to, `files`
    all files of a template; None stands for those whose names only rendering knows.
    """

    own: Path
    folders: tuple[Path, ...]
    environment: Sandbox
    limits: Boundary
    find: Callable[[str], Path | None]
    used_by: Callable[[str], tuple[str | None, ...]]
    files: Callable[[str], frozenset[str | None]]

    @property
    def runtime(self) -> Path:
        """The programs of script-mode images: the project's own folder, or the shipped one.

        Raises TemplateError if something in the project's own leads out of the project, or is a
        device, pipe or socket.
        """
        paths = (folder / "runtime" for folder in self.folders)
        found = next(path for path in paths if os.path.lexists(path))
        if not _is_shipped(found):
            _check_folder(found, self.limits)
            for odd in self.limits.odd(found):
                if odd.end is not None:
                    raise _leads_out(odd.path, odd.end, self.limits)
                raise TemplateError(f"`{odd.path}` is {odd.kind}", hint=f"remove `{odd.path}`")
        return found

    @cached_property
    def rendered(self) -> Callable[[Target], Rendered]:
        """What `render` returns: the Dockerfile of each target is rendered once."""
        return cache(partial(_rendered, self))

    @property
    def nothing(self) -> Path:
        """The build context of images that have none of their own."""
        return shipped() / "nothing"

    @property
    def names(self) -> tuple[str, ...]:
        """The templates that an image can use, without those that are only for extending."""
        found = {
            path.name.removesuffix(SUFFIX) for folder in self.folders for path in folder.iterdir()
            if path.name.endswith(SUFFIX) and not is_for_others(path.name)
        }  # fmt: skip
        return tuple(sorted(found))

    def has(self, name: str) -> bool:
        return is_a_name(name) and self.find(f"{name}{SUFFIX}") is not None

    def uses(self, name: str, other: str) -> bool:
        """Whether a template is, extends or includes the file `other`, also through others."""
        return other in self.files(name)

    def texts(self, target: Target) -> dict[str, str]:
        """The text of each file that a Dockerfile is made of, by the name that people know."""
        if target.dockerfile is not None:
            return {self.here(target.dockerfile): own_dockerfile.text(target.dockerfile)}
        return dict(filter(None, map(self._text, filter(None, self.files(target.template)))))

    def here(self, path: str) -> str:
        """A path of the project as people write it; the name alone of what lies outside of it."""
        with suppress(ValueError):
            return Path(path).relative_to(self.own.parent).as_posix()
        return Path(path).name

    def why_not_reproducible(self, target: Target) -> str | None:
        """The reason that a comment of the Dockerfile or of a template gives; None without one."""
        found = map(NOT_REPRODUCIBLE.search, self.texts(target).values())
        return next((" ".join((each[1] or each[2]).split()) for each in found if each), None)

    def _text(self, file: str) -> tuple[str, str] | None:
        path = self.find(file)
        if path is None:  # `include … ignore missing`
            return None
        shown = f"buildkit's {file}" if _is_shipped(path) else f"{self.own.name}/{file}"
        return shown, _source(file, self.environment)

    def has_shipped(self, name: str) -> bool:
        """Whether the template of this name is the shipped one, not replaced by the project."""
        path = self.find(f"{name}{SUFFIX}")
        return path is not None and _is_shipped(path)


def _find(template: str, folders: Sequence[Path]) -> Path | None:
    """The file of a template. A folder or a broken link is one: no shipped file replaces it."""
    try:
        parts = split_template_path(template)
    except jinja2.TemplateNotFound:
        return None
    paths = (os.path.join(folder, *parts) for folder in folders)  # noqa: PTH118
    return next((Path(path) for path in paths if os.path.lexists(path)), None)


def is_a_name(name: str) -> bool:
    """Whether a template may have this name: Jinja also finds `basic` as `/basic`."""
    return not {"", ".", ".."} & {*name.split("/")}


def is_for_others(name: str) -> bool:
    """Whether a template is only there for others to extend, and not for an image to use."""
    return name.startswith("_")


def _load(
    find: Callable[[str], Path | None], limits: Boundary, template: str
) -> tuple[str, str, None] | None:
    """A template for Jinja. No link of the project may lead out of the project."""
    if (path := find(template)) is None:
        return None
    if not _is_shipped(path):
        limits.check(path, template)
    return reading.text(path), os.fspath(path), None


def _is_shipped(path: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(shipped().resolve())


@cache
def shipped() -> Path:
    """The templates of buildkit itself: in the wheel, or in the checkout that it runs from."""
    package = Path(__file__).parents[1]
    packaged = package / "_templates"
    return packaged if packaged.is_dir() else package.parent / "templates"


def templates(project: Path, limits: Boundary | None = None) -> Templates:
    """The templates of a project: `<project>/templates`, then the shipped ones.

    A Dockerfile may run anything in its own build; the sandbox keeps a template from running
    anything on the machine that renders it.
    """
    own = project / "templates"
    limits = limits or boundary.around(project)
    if os.path.lexists(own):
        _check_folder(own, limits)
    folders = tuple(dict.fromkeys(path for path in (own.resolve(), shipped()) if path.is_dir()))
    find = cache(partial(_find, folders=folders))
    environment = Sandbox(
        loader=jinja2.FunctionLoader(cache(partial(_load, find, limits))),
        auto_reload=False,
        cache_size=-1,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=[ShellLengths],
    )
    environment.filters |= {"shell": shlex.quote, "value": _value, "without_url": _without_url}
    used_by = cache(partial(_used_by, environment))
    return Templates(
        own=own,
        folders=folders,
        environment=environment,
        limits=limits,
        find=find,
        used_by=used_by,
        files=cache(partial(_files, used_by)),
    )


def _check_folder(path: Path, limits: Boundary) -> None:
    """Raise TemplateError for a path that leads out of the project, or is no folder."""
    if (end := limits.outside(path)) is not None and not _is_shipped(path):
        raise _leads_out(path, end, limits)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise TemplateError(
            f"{path} cannot be read: {error.strerror}",
            hint=f"fix the permissions of {path}, or remove it",
        ) from error
    if not stat.S_ISDIR(mode):
        raise TemplateError(
            f"`{path}` is {reading.kind(mode)}, not a folder", hint=f"remove or rename `{path}`"
        )


def _leads_out(path: Path, end: str, limits: Boundary) -> TemplateError:
    return TemplateError(
        f"`{path}` leads to `{end}`, outside of the project `{limits.root}`",
        hint=f"move `{end}` into the project, or pass `{boundary.FLAG}`",
    )


def render(target: Target, source: Templates) -> Rendered:
    """Render one Dockerfile. Raises TemplateError, with template and line if known."""
    return source.rendered(target)


def _rendered(source: Templates, target: Target) -> Rendered:
    if target.dockerfile is not None:
        return Rendered(target=target, dockerfile=own_dockerfile.text(target.dockerfile))
    name = f"{target.template}{SUFFIX}"
    try:
        text = _filled(name, target, source)
    except failures.CAUGHT as error:
        message, hint = failures.explained(error, name, source.own, source.names)
        raise TemplateError(f"{target.id}: {message}", hint=hint) from error
    if target.lock is not None and FROM_LOCK not in text:
        raise TemplateError(
            f"{target.id}: {name} installs no packages from `lock`",
            hint="call `pip.install(target.packages)` with the packages unchanged, or remove "
            "`lock` from images.toml",
        )
    if target.cuda_compat is not None and COMPAT not in text:
        raise TemplateError(
            f"{target.id}: {name} installs no cuda-compat",
            hint="call `cuda.compat` of macros/cuda.j2 in the template, or remove `cuda-compat` "
            "from images.toml",
        )
    _need_base(target, name, text)
    return Rendered(target=target, dockerfile=text)


def _filled(name: str, target: Target, source: Templates) -> str:
    """The text of a template for a target. Raises TemplateError or one of `failures.CAUGHT`."""
    if loop := _loop(name, source, ()):
        raise TemplateError(
            f"{target.id}: templates call each other in a loop: {' -> '.join(loop)}",
            hint=f"remove one `extends`, `include` or `import` from {loop[0]}",
        )
    found, size = [], 0
    for piece in source.environment.get_template(name).generate(target=target):
        found.append(piece)
        size += len(piece)
        if size > LARGEST:
            raise MemoryError
    return "".join(found)


def _need_base(target: Target, name: str, text: str) -> None:
    """Raise OtherBaseError unless the Dockerfile builds on the base that images.toml names.

    Lists, the ledger, `revise --changed` and substitutes rely on that. Parts of a name that only
    the build knows, such as the platform, may be anything.
    """
    every = stages.stages(dockerfile.instructions(text))
    found = every[-1].base if every else ""
    pattern = ".*".join(map(re.escape, _full(found).split(dockerfile.UNKNOWN)))
    if found and re.fullmatch(pattern, _full(target.base)):
        return
    used = f"`{found.replace(dockerfile.UNKNOWN, '…')}`" if found else (
        "nothing: the template has no FROM, or a variable in it has no value"
    )  # fmt: skip
    raise OtherBaseError(
        f"{target.id}: `base` is `{target.base}`, but {name} builds on {used}",
        hint="write `FROM {{ target.base }}` for the last stage of the template, or fix `base` in "
        "images.toml",
    )


def _full(image: str) -> str:
    """The short form of a Docker Hub image, with `:latest` if it has no tag."""
    short = names.familiar(re.sub(r"^index\.(?=docker\.io/)", "", image))
    bare = "@" in short or ":" in short.rpartition("/")[2] or short.endswith(dockerfile.UNKNOWN)
    return short if bare else f"{short}:latest"


def render_all(
    targets: Sequence[Target],
    source: Templates,
    known: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Rendered, ...]:
    """Render every target, or raise one TemplateError that lists all failures.

    `known` has the Dockerfiles that the caller has already, by target id.
    """
    rendered, errors = [], []
    for target in targets:
        try:
            text = known.get(target.id)
            rendered.append(
                render(target, source) if text is None else Rendered(target=target, dockerfile=text)
            )
        except TemplateError as error:
            errors.append(error)
    if not errors:
        return tuple(rendered)
    if len(errors) == 1:
        raise errors[0]
    raise TemplateError(
        f"{len(errors)} of {len(targets)} targets could not be rendered",
        details="\n".join(dict.fromkeys(error.message for error in errors)),
        hint=errors[0].hint,
    )


def _value(text: str) -> str:
    """Quote for ENV, ARG and LABEL: one word, in which nothing is expanded."""
    return json.dumps(text, ensure_ascii=False).replace("$", "\\$")


def _without_url(text: str) -> str:
    """The requirement without its URL: an installed package can meet it."""
    requirement = Requirement(text)
    requirement.url = None
    return str(requirement)


def _loop(name: str, source: Templates, above: tuple[str, ...]) -> tuple[str, ...]:
    """The templates that form a loop below `name`, in order; empty if none do.

    Files that do not exist are left out: Jinja may take the next one of a list, or none.
    """
    if name in above:
        return (*above[above.index(name) :], name)
    used = (each for each in source.used_by(name) if each and source.find(each))
    loops = (_loop(each, source, (*above, name)) for each in used)
    return next((loop for loop in loops if loop), ())


def _source(name: str, environment: Sandbox) -> str:
    assert environment.loader is not None
    text, _, _ = environment.loader.get_source(environment, name)
    return text


def _files(used_by: Callable[[str], tuple[str | None, ...]], name: str) -> frozenset[str | None]:
    """The files of a template: its own, and those that it extends, includes or imports."""
    seen: set[str | None] = set()
    todo: list[str | None] = [f"{name}{SUFFIX}"]
    while todo:
        seen.add(file := todo.pop())
        with suppress(jinja2.TemplateError, TemplateError, OSError, ValueError):
            todo += {*used_by(file)} - seen if file is not None else ()
    return frozenset(seen)


def _used_by(environment: Sandbox, name: str) -> tuple[str | None, ...]:
    """The templates that a template refers to."""
    text = _source(name, environment)
    try:
        return tuple(meta.find_referenced_templates(environment.parse(text, name)))
    except jinja2.TemplateSyntaxError as error:
        error.name = error.name or name  # Jinja leaves the name out of a lexer's error
        raise
