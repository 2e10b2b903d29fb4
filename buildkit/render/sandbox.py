"""Jinja for templates: no text gets too large, and no `${#` of a shell is dropped silently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jinja2
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

if TYPE_CHECKING:
    from jinja2.runtime import Context

LARGEST = 4 << 20
"""Characters of a Dockerfile, and of a text that a template repeats."""
LARGEST_POWER = 100
LENGTH = "${#"
"""How a shell asks for the length of a variable."""


class Sandbox(ImmutableSandboxedEnvironment):
    """A sandbox in which no multiplication makes a text or a number too large."""

    intercepted_binops = frozenset(("*", "**"))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and isinstance(right, (int, float)) and abs(right) > LARGEST_POWER:
            raise MemoryError
        for one, other in ((left, right), (right, left)):
            if hasattr(one, "__len__") and isinstance(other, int) and len(one) * other > LARGEST:
                raise MemoryError
        return super().call_binop(context, operator, left, right)


class ShellLengths(Extension):
    """Refuses `${#name}` of a shell: Jinja leaves out everything up to the next `#}`."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        if LENGTH not in source:
            return source
        before, lines = "", source.split("\n")
        for line, kind, text in self.environment.lex(source, name, filename):
            if kind == "comment_begin" and before.endswith("$") and LENGTH in lines[line - 1]:
                message = "`${#` begins a comment, which the Dockerfile does not get"
                raise jinja2.TemplateSyntaxError(message, line, name, filename)
            before = text
        return source
