"""Target -> Dockerfile text, through Jinja. The only module that knows Jinja."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
from contextlib import suppress
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2 import meta
from jinja2.exceptions import SecurityError
from jinja2.loaders import split_template_path
from jinja2.sandbox import ImmutableSandboxedEnvironment
from packaging.requirements import Requirement

from buildkit.config import boundary
from buildkit.model import names
from buildkit.model.target import Rendered, Target
from buildkit.render import dockerfile
from buildkit.support import manual
from buildkit.support.errors import TemplateError
from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jinja2.runtime import Context

    from buildkit.config.boundary import Boundary

SUFFIX = ".Dockerfile.j2"
FROM_LOCK = "--mount=type=bind,from=lock,"
SEEN = "target"
FIELDS = {
    "Target": (SEEN, (*(each.name for each in fields(Target)), "image")),
    "Purpose": (f"{SEEN}.purpose", ("value", "trains", "serves")),
    "Device": (f"{SEEN}.device", ("value",)),
}
"""What a template sees, by the classes that Jinja names."""
NO_FIELD = re.compile(r"'buildkit\.model\.\w+\.(\w+) object' has no attribute '(\w+)'")
NO_MACRO = re.compile(r"'jinja2\.environment\.TemplateModule object' has no attribute '(\w+)'")
NO_VARIABLE = re.compile(r"'(\w+)' is undefined")
LARGEST = 4 << 20
"""Characters of a Dockerfile, and of a text that a template multiplies."""
LARGEST_POWER = 100
OPENED = {
    "Missing end of comment tag": (
        "to Jinja `{#` begins a comment: write `{% raw %}${#name}{% endraw %}`"
    ),
}
"""What people meet who take a Dockerfile as it is: the hint for what Jinja says."""


class OtherBaseError(TemplateError):
    """A template that does not build on the base of its target."""


@dataclass(frozen=True, kw_only=True)
class Templates:
    """The folders templates are looked for in: the project's own first, then ours."""

    own: Path
    folders: tuple[Path, ...]
    environment: _Sandbox
    loader: _Loader
    limits: Boundary
    used_by: Callable[[str], tuple[str, ...]]

    @property
    def runtime(self) -> Path:
        """The programs that enter script-mode images: the project's own, or ours.

        Raises TemplateError if the project's own lead out of it, or are no files.
        """
        paths = (folder / "runtime" for folder in self.folders)
        found = next(path for path in paths if os.path.lexists(path))
        if not _is_shipped(found):
            _check_folder(found, self.limits)
            for odd in self.limits.odd(found):
                if odd.end is not None:
                    raise _leads_out(odd.path, odd.end, self.limits)
                raise TemplateError(f"`{odd.path}` is {odd.kind}", hint="remove it")
        return found

    @property
    def nothing(self) -> Path:
        """The context of an image that brings no files."""
        return shipped() / "nothing"

    @property
    def names(self) -> tuple[str, ...]:
        """The templates that an image can use, those that are for extending left out."""
        found = {
            path.name.removesuffix(SUFFIX) for folder in self.folders for path in folder.iterdir()
            if path.name.endswith(SUFFIX) and not path.name.startswith("_")
        }  # fmt: skip
        return tuple(sorted(found))

    def has(self, name: str) -> bool:
        return self.loader.find(f"{name}{SUFFIX}") is not None

    def uses(self, name: str, other: str) -> bool:
        """Whether a template is, extends or includes the file `other`, itself or through others."""
        seen: set[str] = set()
        todo = [f"{name}{SUFFIX}"]
        while todo and other not in seen:
            seen.add(file := todo.pop())
            with suppress(jinja2.TemplateError, TemplateError, OSError, ValueError):
                todo += {*self.used_by(file)} - seen
        return other in seen

    def has_shipped(self, name: str) -> bool:
        """Whether a template of that name is ours, and not one of the project that replaces it."""
        path = self.loader.find(f"{name}{SUFFIX}")
        return path is not None and _is_shipped(path)


class _Loader(jinja2.BaseLoader):
    """Reads templates of the project and ours: nothing that a link of the project leads out to."""

    def __init__(self, folders: Sequence[Path], limits: Boundary) -> None:
        self._folders = folders
        self._limits = limits

    def find(self, template: str) -> Path | None:
        try:
            parts = split_template_path(template)
        except jinja2.TemplateNotFound:
            return None
        paths = (os.path.join(folder, *parts) for folder in self._folders)  # noqa: PTH118
        # What is no file, or leads to nothing, is refused where it is read: ours does not stand in.
        return next((Path(path) for path in paths if os.path.lexists(path)), None)

    def get_source(
        self,
        environment: jinja2.Environment,  # noqa: ARG002 - jinja asks so
        template: str,
    ) -> tuple[str, str, Callable[[], bool]]:
        if (path := self.find(template)) is None:
            raise jinja2.TemplateNotFound(template)
        if not _is_shipped(path):
            self._limits.check(path, template)
        return reading.text(path), os.fspath(path), lambda: True


def _is_shipped(path: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(shipped().resolve())


class _Sandbox(ImmutableSandboxedEnvironment):
    """A sandbox in which no multiplication makes a text or a number that is too large."""

    intercepted_binops = frozenset(("*", "**"))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and isinstance(right, (int, float)) and abs(right) > LARGEST_POWER:
            raise MemoryError
        for one, other in ((left, right), (right, left)):
            if hasattr(one, "__len__") and isinstance(other, int) and len(one) * other > LARGEST:
                raise MemoryError
        return super().call_binop(context, operator, left, right)


def shipped() -> Path:
    """The templates that come with the tool: in the wheel, or in the checkout it runs from."""
    package = Path(__file__).parents[1]
    packaged = package / "_templates"
    return packaged if packaged.is_dir() else package.parent / "templates"


def templates(project: Path, limits: Boundary | None = None) -> Templates:
    """The templates of a project: `<project>/templates`, then the shipped ones.

    The sandbox keeps a template from anything but text: a Dockerfile may run what it likes in its
    own build, its template nothing on the machine that renders it.
    """
    own = project / "templates"
    limits = limits or boundary.around(project)
    if os.path.lexists(own):
        _check_folder(own, limits)
    folders = tuple(dict.fromkeys(path for path in (own.resolve(), shipped()) if path.is_dir()))
    loader = _Loader(folders, limits)
    environment = _Sandbox(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["shell"] = shlex.quote
    environment.filters["value"] = _value
    environment.filters["without_url"] = _without_url
    return Templates(
        own=own,
        folders=folders,
        environment=environment,
        loader=loader,
        limits=limits,
        used_by=cache(partial(_used_by, environment)),  # a parsed one serves all targets
    )


def _check_folder(path: Path, limits: Boundary) -> None:
    """Raise TemplateError for what leads out of the project, or is no folder."""
    if (end := limits.outside(path)) is not None and not _is_shipped(path):
        raise _leads_out(path, end, limits)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise TemplateError(
            f"{path} cannot be read: {error.strerror}", hint="fix its permissions, or remove it"
        ) from error
    if not stat.S_ISDIR(mode):
        raise TemplateError(
            f"`{path}` is {reading.kind(mode)}, a folder is wanted", hint="remove or rename it"
        )


def _leads_out(path: Path, end: str, limits: Boundary) -> TemplateError:
    return TemplateError(
        f"`{path}` leads to `{end}`, outside of the project `{limits.root}`",
        hint=f"move it into the project, or pass `{boundary.FLAG}`",
    )


def render(target: Target, source: Templates) -> Rendered:
    """Render one Dockerfile. Raises TemplateError, with template and line where known."""
    name = f"{target.template}{SUFFIX}"
    try:
        if loop := _loop(name, source, ()):
            raise TemplateError(
                f"{target.id}: templates call each other in a loop: {' -> '.join(loop)}",
                hint="a template may not extend, include or import itself",
            )
        text = _text(source.environment.get_template(name).generate(target=target))
    except jinja2.TemplateNotFound as error:
        raise TemplateError(
            f"{target.id}: there is no template `{error.name}`",
            hint=f"write {source.own / str(error.name)}, or use one of "
            + ", ".join(f"`{each}`" for each in source.names),
        ) from error
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(
            f"{target.id}: {error.name}:{error.lineno}: {error.message}",
            hint=OPENED.get(str(error.message), "correct the template, then `buildkit render`"),
        ) from error
    except RecursionError as error:
        raise TemplateError(
            f"{target.id}: {name} includes or calls itself endlessly",
            hint="look for an `include` or a macro that leads back to its own template",
        ) from error
    except MemoryError as error:
        raise TemplateError(
            f"{target.id}: {name} makes a text that is too long",
            hint="look for a large loop, or a text that is repeated many times",
        ) from error
    except (
        jinja2.TemplateError, SecurityError, TypeError, ValueError, ArithmeticError, OSError
    ) as error:  # fmt: skip
        raise TemplateError(
            f"{target.id}: {_place(error, name, source.own)}: {_said(error)}",
            hint="a template sees `target` and its fields, extends a base template and fills its "
            f"blocks: {manual.page('templates')}",
        ) from error
    if target.lock is not None and FROM_LOCK not in text:
        raise TemplateError(
            f"{target.id}: {name} installs no packages from `lock`",
            hint="`pip.install(target.packages)` does, as it is; or leave `lock` out",
        )
    _need_base(target, name, text)
    return Rendered(target=target, dockerfile=text)


def _need_base(target: Target, name: str, text: str) -> None:
    """The base that images.toml names has to be the one that is built on.

    Lists, the ledger, `revise --changed` and substitutes would speak of another image. What only
    the build knows, such as its platform, may be anything.
    """
    found = dockerfile.base(dockerfile.instructions(text))
    pattern = ".*".join(map(re.escape, _full(found).split(dockerfile.UNKNOWN)))
    if found and re.fullmatch(pattern, _full(target.base)):
        return
    told = f"`{found.replace(dockerfile.UNKNOWN, '…')}`" if found else (
        "nothing: it has no FROM, or the variable there has no value"
    )  # fmt: skip
    raise OtherBaseError(
        f"{target.id}: `base` is `{target.base}`, and {name} builds on {told}",
        hint="write `FROM {{ target.base }}` for the last stage of the template, or correct `base` "
        "in images.toml",
    )


def _full(image: str) -> str:
    """The short form of Docker Hub's images, with the tag that none means."""
    short = names.familiar(re.sub(r"^index\.(?=docker\.io/)", "", image))
    bare = "@" in short or ":" in short.rpartition("/")[2] or short.endswith(dockerfile.UNKNOWN)
    return short if bare else f"{short}:latest"


def render_all(targets: Sequence[Target], source: Templates) -> tuple[Rendered, ...]:
    """Render every target, or raise one TemplateError that holds each failure."""
    rendered, errors = [], []
    for target in targets:
        try:
            rendered.append(render(target, source))
        except TemplateError as error:
            errors.append(error)
    if not errors:
        return tuple(rendered)
    if len(errors) == 1:
        raise errors[0]
    raise TemplateError(
        f"{len(errors)} of {len(targets)} targets cannot be rendered",
        details="\n".join(dict.fromkeys(error.message for error in errors)),
        hint=errors[0].hint,
    )


def _value(text: str) -> str:
    """Quote for ENV, ARG and LABEL: one word, nothing in it is expanded."""
    return json.dumps(text, ensure_ascii=False).replace("$", "\\$")


def _without_url(text: str) -> str:
    """The requirement without where it comes from, as an installed package can meet it."""
    requirement = Requirement(text)
    requirement.url = None
    return str(requirement)


def _loop(name: str, source: Templates, above: tuple[str, ...]) -> tuple[str, ...]:
    """The templates of a loop below `name`, in order; empty if there is none."""
    if name in above:
        return (*above[above.index(name) :], name)
    loops = (_loop(each, source, (*above, name)) for each in source.used_by(name))
    return next((loop for loop in loops if loop), ())


def _used_by(environment: _Sandbox, name: str) -> tuple[str, ...]:
    """The templates that one names."""
    assert environment.loader is not None
    text, _, _ = environment.loader.get_source(environment, name)
    try:
        used = meta.find_referenced_templates(environment.parse(text, name))
    except jinja2.TemplateSyntaxError as error:
        error.name = error.name or name  # of what no lexer understands Jinja does not tell it
        raise
    return tuple(each for each in used if each is not None)


def _text(pieces: Iterable[str]) -> str:
    found, size = [], 0
    for piece in pieces:
        found.append(piece)
        size += len(piece)
        if size > LARGEST:
            raise MemoryError
    return "".join(found)


def _said(error: BaseException) -> str:
    """What Jinja says; a field, macro or variable that there is not, with what is near."""
    said = str(error)
    if (field := NO_FIELD.fullmatch(said)) and field[1] in FIELDS:
        whose, known = FIELDS[field[1]]
        near = get_close_matches(field[2], known, n=1)
        advice = f"did you mean `{near[0]}`?" if near else f"it has {', '.join(known)}"
        return f"`{whose}` has no attribute '{field[2]}'; {advice}"
    if macro := NO_MACRO.fullmatch(said):
        return f"the imported template has no macro `{macro[1]}`"
    if (variable := NO_VARIABLE.fullmatch(said)) and get_close_matches(variable[1], [SEEN]):
        return f"{said}; did you mean `{SEEN}`?"
    return said


def _place(error: BaseException, name: str, own: Path) -> str:
    """The innermost template line of a failure: Jinja rewrites tracebacks to template lines.

    The project's own come first: a macro of ours fails for what it was called with.
    """
    places, traceback = [], error.__traceback__
    while traceback is not None:
        file = Path(traceback.tb_frame.f_code.co_filename)
        if file.suffix == ".j2":
            places.append((file, f"{file.name}:{traceback.tb_lineno}"))
        traceback = traceback.tb_next
    mine = [place for file, place in places if file.is_relative_to(own.resolve())]
    return next(reversed(mine or [place for _, place in places]), name)
