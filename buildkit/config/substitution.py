"""Substitution: other images instead of base images, other URLs instead of package indexes.

For mirrors, pull-through caches and stand-ins, without changes to templates. A rule is `FROM=TO`;
both sides may end with `*`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.model import names
from buildkit.model.hosts import has_registry
from buildkit.support import addresses
from buildkit.support.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Rule = tuple[str, str]
ADDRESS = "://"
"""Marks a rule for package indexes: no image name contains it."""


def parse(rules: Iterable[str], given_by: str = "--substitute") -> tuple[Rule, ...]:
    """Read each `FROM=TO` of an option or a variable. Raises UsageError, which names `given_by`."""
    return tuple(_rule(text, given_by) for text in rules)


def check(source: str, replacement: str) -> None:
    """Raise ValueError if this is not a valid rule."""
    if source.endswith("*") is not replacement.endswith("*"):
        raise ValueError("either both sides end with `*`, or neither")
    if source == "*":
        raise ValueError(
            "`*` alone matches every image; write how their names begin, such as `docker.io/*`"
        )
    if ADDRESS in source or ADDRESS in replacement:
        for side in (source, replacement):
            names.index(side.removesuffix("*"))
        return
    for side in (source, replacement):
        names.reference(side.removesuffix("*").rstrip(":/") if side.endswith("*") else side)


def substitute(base: str, rules: Sequence[Rule]) -> str | None:
    """The image that replaces `base`, by the first rule that matches its short or full name."""
    short = names.familiar(base)
    return _first((base, short, _full(short)), rules)


def mirror(index: str, rules: Sequence[Rule]) -> str | None:
    """The URL that replaces the package index, by the first rule that matches."""
    bare = index.rstrip("/")
    return _first((index, bare, f"{bare}/"), rules)


def _first(spellings: Iterable[str], rules: Sequence[Rule]) -> str | None:
    for source, replacement in rules:
        for name in spellings:
            if source.endswith("*") and name.startswith(source.removesuffix("*")):
                return replacement.removesuffix("*") + name.removeprefix(source.removesuffix("*"))
            if name == source:
                return replacement
    return None


def registry(base: str, rules: Sequence[Rule]) -> str:
    """The registry that a base comes from after substitution; any word for Docker Hub."""
    return (substitute(base, rules) or base).partition("/")[0]


def _full(short: str) -> str:
    if has_registry(short):
        return short
    return f"docker.io/{short}" if "/" in short else f"docker.io/library/{short}"


def _rule(text: str, given_by: str) -> Rule:
    source, _, replacement = text.partition("=")
    apart = " " if given_by.startswith("-") else "="
    try:
        check(source, replacement)
    except ValueError as error:
        wrong = error if "=" in text else "expected `FROM=TO`, found no `=`"
        raise UsageError(
            f"`{given_by}{apart}{addresses.shown(text)}`: {wrong}",
            hint=f"`{given_by}{apart}'python:*=mirror.example/library/python:*'`",
        ) from error
    return source, replacement
