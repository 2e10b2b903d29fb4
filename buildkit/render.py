"""Target -> Dockerfile text, through Jinja. The only module that knows Jinja."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from jinja2 import meta
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from packaging.requirements import Requirement

from buildkit import manual
from buildkit.errors import TemplateError
from buildkit.model import Rendered

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from buildkit.model import Target

SUFFIX = ".Dockerfile.j2"
FROM_LOCK = "--mount=type=bind,from=lock,"
FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(?P<image>\S+)", re.IGNORECASE | re.MULTILINE)
OPENED = {
    "Missing end of comment tag": (
        "to Jinja `{#` begins a comment: write `{% raw %}${#name}{% endraw %}`"
    ),
}
"""What people meet who take a Dockerfile as it is: the hint for what Jinja says."""


@dataclass(frozen=True, kw_only=True)
class Templates:
    """The folders templates are looked for in: the project's own first, then ours."""

    own: Path
    folders: tuple[Path, ...]
    environment: ImmutableSandboxedEnvironment

    @property
    def runtime(self) -> Path:
        """The programs that enter script-mode images: the project's own, or ours."""
        return next(path for folder in self.folders if (path := folder / "runtime").is_dir())

    @property
    def nothing(self) -> Path:
        """The context of an image that brings no files."""
        return shipped() / "nothing"


def shipped() -> Path:
    """The templates that come with the tool: in the wheel, or in the checkout it runs from."""
    packaged = Path(__file__).with_name("_templates")
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "templates"


def templates(project: Path) -> Templates:
    """The templates of a project: `<project>/templates`, then the shipped ones.

    The sandbox keeps a template from anything but text: a Dockerfile may run what it likes in its
    own build, its template nothing on the machine that renders it.
    """
    own = project / "templates"
    folders = tuple(dict.fromkeys(path for path in (own.resolve(), shipped()) if path.is_dir()))
    environment = ImmutableSandboxedEnvironment(
        loader=jinja2.FileSystemLoader(folders),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["shell"] = shlex.quote
    environment.filters["value"] = _value
    environment.filters["without_url"] = _without_url
    return Templates(own=own, folders=folders, environment=environment)


def render(target: Target, source: Templates) -> Rendered:
    """Render one Dockerfile. Raises TemplateError, with template and line where known."""
    name = f"{target.template}{SUFFIX}"
    try:
        if loop := _loop(name, source.environment, ()):
            raise TemplateError(
                f"{target.id}: templates call each other in a loop: {' -> '.join(loop)}",
                hint="a template may not extend, include or import itself",
            )
        text = source.environment.get_template(name).render(target=target)
    except jinja2.TemplateNotFound as error:
        raise TemplateError(
            f"{target.id}: there is no template `{error.name}`",
            hint=f"write {source.own / str(error.name)}, or use one of "
            + ", ".join(_names(source)),
        ) from error
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(
            f"{target.id}: {error.name}:{error.lineno}: {error.message}",
            hint=OPENED.get(str(error.message), "correct the template, then `buildkit render`"),
        ) from error
    except (RecursionError, MemoryError) as error:
        raise TemplateError(
            f"{target.id}: {name} calls itself without end, or makes too much text",
            hint="look for an `include` or a macro that leads back to its own template",
        ) from error
    except (jinja2.TemplateError, SecurityError, TypeError, ValueError, ArithmeticError) as error:
        raise TemplateError(
            f"{target.id}: {_place(error, name)}: {error}",
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


def _need_base(target: Target, name: str, dockerfile: str) -> None:
    """The base that images.toml names has to be the one that is built on.

    Lists, the ledger, `revise --changed` and substitutes would speak of another image. What a
    variable names cannot be told.
    """
    named = [match["image"] for match in FROM.finditer(dockerfile)]
    if any(image == target.base or "$" in image for image in named):
        return
    told = ", ".join(f"`{each}`" for each in dict.fromkeys(named)) or "nothing"
    raise TemplateError(
        f"{target.id}: `base` is `{target.base}`, and {name} builds on {told}",
        hint="write `FROM {{ target.base }}` in the template, or correct `base` in images.toml",
    )


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


def _loop(
    name: str, environment: ImmutableSandboxedEnvironment, above: tuple[str, ...]
) -> tuple[str, ...]:
    """The templates of a loop below `name`, in order; empty if there is none."""
    if name in above:
        return (*above[above.index(name) :], name)
    assert environment.loader is not None
    text, _, _ = environment.loader.get_source(environment, name)
    try:
        used = meta.find_referenced_templates(environment.parse(text, name))
    except jinja2.TemplateSyntaxError as error:
        error.name = error.name or name  # of what no lexer understands Jinja does not tell it
        raise
    loops = (_loop(each, environment, (*above, name)) for each in used if each is not None)
    return next((loop for loop in loops if loop), ())


def _place(error: BaseException, name: str) -> str:
    """The innermost template line of a failure: Jinja rewrites tracebacks to template lines."""
    place, traceback = name, error.__traceback__
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if file.endswith(".j2"):
            place = f"{Path(file).name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place


def _names(source: Templates) -> Iterable[str]:
    found = {
        path.name.removesuffix(SUFFIX) for folder in source.folders for path in folder.iterdir()
        if path.name.endswith(SUFFIX) and not path.name.startswith("_")
    }  # fmt: skip
    return (f"`{name}`" for name in sorted(found))
