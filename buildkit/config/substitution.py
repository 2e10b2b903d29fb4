"""Substitution: another image in the place of a FROM, another address in that of a package index.

For mirrors, pull-through caches and stand-ins, with no change to a template. A rule is `FROM=TO`;
both may end in `*`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.model import names
from buildkit.support import addresses
from buildkit.support.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Rule = tuple[str, str]
ADDRESS = "://"
"""In rules about package indexes. No image's name has it."""


def parse(rules: Iterable[str], given_by: str = "--substitute") -> tuple[Rule, ...]:
    """Read `FROM=TO` as given by an option or a variable. Raises UsageError, which names it."""
    return tuple(_rule(text, given_by) for text in rules)


def check(source: str, replacement: str) -> None:
    """Raise ValueError if this can be no rule."""
    if source.endswith("*") is not replacement.endswith("*"):
        raise ValueError("`*` may end both sides or neither")
    if ADDRESS in source or ADDRESS in replacement:
        for side in (source, replacement):
            names.index(side.removesuffix("*"))
        return
    for side in (source, replacement):
        names.reference(side.removesuffix("*").rstrip(":/") if side.endswith("*") else side)


def substitute(base: str, rules: Sequence[Rule]) -> str | None:
    """What stands in for `base`: the first rule that fits its short or its full name, else None."""
    short = names.familiar(base)
    return _first((base, short, _full(short)), rules)


def mirror(index: str, rules: Sequence[Rule]) -> str | None:
    """The address in the place of that of a package index: as the first rule that fits has it."""
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
    """The registry that a base comes from after substitution; some word, if it is Docker Hub."""
    return (substitute(base, rules) or base).partition("/")[0]


def _full(short: str) -> str:
    host, slash, _ = short.partition("/")
    if slash and (host == "localhost" or "." in host or ":" in host):
        return short
    return f"docker.io/{short}" if slash else f"docker.io/library/{short}"


def _rule(text: str, given_by: str) -> Rule:
    source, _, replacement = text.partition("=")
    apart = " " if given_by.startswith("-") else "="
    try:
        check(source, replacement)
    except ValueError as error:
        wrong = error if "=" in text else "it has no `=`: `FROM=TO` is wanted"
        raise UsageError(
            f"`{given_by}{apart}{addresses.shown(text)}`: {wrong}",
            hint=f"`{given_by}{apart}'python:*=mirror.example/library/python:*'`",
        ) from error
    return source, replacement
