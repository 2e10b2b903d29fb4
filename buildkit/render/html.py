"""Templates of HTML pages: everything foreign is escaped, and every character can be seen."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Callable


def template(package: str, name: str, **known: object) -> Callable[..., str]:
    """A file of a package as a function that fills it in. It may use what is `known`."""
    import jinja2  # noqa: PLC0415 - few runs write a page, and it is slow to load

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_readable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(text(package, name), globals=known).render


def text(package: str, name: str) -> str:
    """A file of a package."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def _readable(value: object) -> object:
    """Replace invisible characters, and those that change the direction of text, by their codes."""
    return console.readable(value) if type(value) is str else value  # markup of macros is not
