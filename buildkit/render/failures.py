"""What Jinja raises for a broken template -> what went wrong at which line, and a hint."""

from __future__ import annotations

import re
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from buildkit.model.target import Target
from buildkit.support import manual

if TYPE_CHECKING:
    from collections.abc import Sequence

CAUGHT = (
    jinja2.TemplateError, TypeError, ValueError, ArithmeticError, OSError, RecursionError,
    MemoryError,
)  # fmt: skip
PARENT = ".."
"""Jinja refuses it in every path."""
SEEN = "target"
FIELDS = {
    "Target": (SEEN, (*(each.name for each in fields(Target)), "image")),
    "Purpose": (f"{SEEN}.purpose", ("value", "trains", "serves")),
    "Device": (f"{SEEN}.device", ("value",)),
}
"""The values that a template sees, by the class that Jinja names: what they are called, and their
fields."""
NO_FIELD = re.compile(r"'buildkit\.model\.\w+\.(\w+) object' has no attribute '(\w+)'")
NO_MACRO = re.compile(r"'jinja2\.environment\.TemplateModule object' has no attribute '(\w+)'")
NO_VARIABLE = re.compile(r"'(\w+)' is undefined")
NO_ITEM = re.compile(r"'tuple object' has no attribute '(\w+)'")
DELIMITER = re.compile(r"\{[{%#]")
EXPRESSION = re.compile(r"\$?\{\{[^{}]*\}\}")
FOREIGN = {
    "workflow syntax of GitHub": re.compile(
        r"\$\{\{-?\s*(?:github|env|vars|secrets|inputs|matrix|steps|needs|runner|jobs?|strategy)\b"
    ),
    "a template of Go": re.compile(
        rf"\{{\{{-?\s*(?:\.|(?:end|else|break|continue)\b|(?!{SEEN}\b)\w+\s+[.$\"])"
    ),
}
"""Text in the delimiters of Jinja that is for other programs, by how an expression begins."""
BEGINS = {"{{": "an expression", "{%": "a statement", "{#": "a comment"}
"""What Jinja reads in text of a Dockerfile, such as `--format "{{.Id}}"` or `${#name}`."""


def explained(error: Exception, name: str, own: Path, names: Sequence[str]) -> tuple[str, str]:
    """Message and hint for one of CAUGHT, raised while the file `name` was rendered.

    `own` is the project's folder of templates, `names` are the templates that exist.
    """
    match error:
        case jinja2.TemplateNotFound():
            return f"template `{error.name}` not found", _elsewhere(str(error.name), own, names)
        case jinja2.TemplateSyntaxError():
            return f"{error.name}:{error.lineno}: {error.message}", _syntax_hint(error)
        case RecursionError():
            hint = "remove the `include` or the call of a macro that leads back to the template"
            return f"{name} includes or calls itself endlessly", hint
        case MemoryError():
            hint = "look for a large loop, or for a text that is repeated many times"
            return f"{name} produces too much text", hint
        case _:
            place = _place(error, own)
            where = name if place is None else f"{place[0].name}:{place[1]}"
            if place and (foreign := _foreign(*place)):
                text, what = foreign
                hint = (
                    f"remove it, or write `{{% raw %}}{text}{{% endraw %}}` where the Dockerfile "
                    "needs this text"
                )
                return f"{where}: `{text}` looks like {what}; Jinja reads it as its own", hint
            hint = f"fix the template; its fields and blocks are in {manual.page('templates')}"
            return f"{where}: {_said(error)}", hint


def _elsewhere(name: str, own: Path, names: Sequence[str]) -> str:
    """What to do about a template that was not found."""
    if PARENT in name.split("/"):
        return f"move the file into {own}, and write its path there: no path has a `{PARENT}`"
    return f"create {own / name}, or use one of {', '.join(f'`{each}`' for each in names)}"


def _syntax_hint(error: jinja2.TemplateSyntaxError) -> str:
    """How to write text that Jinja takes for its own, by the last delimiter in the line."""
    lines = (error.source or "").splitlines()[: error.lineno]
    found = DELIMITER.findall(lines[-1]) if lines else []
    if not found:
        return "fix the template, then run `buildkit render`"
    begin = found[-1]
    return (
        f"`{begin}` begins {BEGINS[begin]} in Jinja: fix it, or write "
        f"`{{% raw %}}{begin}…{{% endraw %}}` where the Dockerfile needs this text"
    )


def _said(error: Exception) -> str:
    """Jinja's message, with similar names for an unknown field or variable."""
    said = str(error)
    if (field := NO_FIELD.fullmatch(said)) and field[1] in FIELDS:
        whose, known = FIELDS[field[1]]
        similar = get_close_matches(field[2], known, n=1)
        advice = f"did you mean `{similar[0]}`?" if similar else f"it has {', '.join(known)}"
        return f"`{whose}` has no attribute '{field[2]}'; {advice}"
    if item := NO_ITEM.fullmatch(said):
        return (
            f"a list has no key '{item[1]}'; `{SEEN}.args` and `{SEEN}.labels` are lists of pairs: "
            f"write `dict({SEEN}.labels)['{item[1]}']`"
        )
    if macro := NO_MACRO.fullmatch(said):
        return f"the imported template has no macro `{macro[1]}`"
    if said == f"'{SEEN}' is undefined":
        return f"the macro needs `{SEEN}`: write `{{% import … with context %}}`"
    if (variable := NO_VARIABLE.fullmatch(said)) and get_close_matches(variable[1], [SEEN]):
        return f"{said}; did you mean `{SEEN}`?"
    return said


def _foreign(file: Path, line: int) -> tuple[str, str] | None:
    """The first expression of a line that is no Jinja, and what it looks like."""
    try:
        text = file.read_text(encoding="utf-8").splitlines()[line - 1]
    except (OSError, ValueError, IndexError):
        return None
    for each in EXPRESSION.findall(text):
        for what, begins in FOREIGN.items():
            if begins.match(each):
                return each, what
    return None


def _place(error: Exception, own: Path) -> tuple[Path, int] | None:
    """The innermost template line of a failure: Jinja rewrites tracebacks to template lines.

    Lines of the project come first: a shipped macro fails because of how it was called.
    """
    places, traceback = [], error.__traceback__
    while traceback is not None:
        file = Path(traceback.tb_frame.f_code.co_filename)
        if file.suffix == ".j2":
            places.append((file, traceback.tb_lineno))
        traceback = traceback.tb_next
    mine = [each for each in places if each[0].is_relative_to(own.resolve())]
    return next(reversed(mine or places), None)
