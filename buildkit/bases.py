"""Base substitution: another image in the place of a FROM, with no change to a template.

For mirrors, pull-through caches and stand-ins. A rule is `FROM=TO`; both may end in `*`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit import names
from buildkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Rule = tuple[str, str]


def parse(rules: Iterable[str]) -> tuple[Rule, ...]:
    """Read `FROM=TO` as given on the command line. Raises UsageError."""
    return tuple(_rule(text) for text in rules)


def substitute(base: str, rules: Sequence[Rule]) -> str | None:
    """What stands in for `base`: the first rule that fits its short or its full name, else None."""
    short = names.familiar(base)
    full = short if "." in short.partition("/")[0] else f"docker.io/{_library(short)}"
    for source, replacement in rules:
        for name in (base, short, full):
            if "*" in source:
                stem = source.removesuffix("*")
                if name.startswith(stem):
                    return replacement.removesuffix("*") + name.removeprefix(stem)
            elif name == source:
                return replacement
    return None


def _library(short: str) -> str:
    return short if "/" in short else f"library/{short}"


def _rule(text: str) -> Rule:
    source, separator, replacement = text.partition("=")
    try:
        if not separator:
            raise ValueError(f"{text!r} holds no `=`")  # noqa: TRY301 - one place reports
        if source.endswith("*") is not replacement.endswith("*"):
            raise ValueError("`*` may end both sides or neither")  # noqa: TRY301
        for side in (source, replacement):
            names.reference(side.removesuffix("*").rstrip(":/") if side.endswith("*") else side)
    except ValueError as error:
        raise UsageError(
            f"`--substitute {text}`: {error}",
            hint="`--substitute 'python:*=mirror.example/library/python:*'`",
        ) from error
    return source, replacement
