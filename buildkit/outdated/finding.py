"""One thing that is outdated, or unknown, for all targets that it concerns."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildkit.support.errors import BuildkitError

BEGINNING = re.compile(r"^\W*(?:(?:error|cause|caused by|hint):\s*)?", re.IGNORECASE)
"""What uv writes before the words of a line."""
TIME = re.compile(r" in [0-9.]+m?s$")
"""How long a request took. The same cause has the same reason."""


class Kind(str, Enum):
    """In the order in which they are shown."""

    BASE = "base"
    PACKAGE = "package"
    FRAMEWORK = "framework"
    PREBUILT = "prebuilt"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What `targets` have now, and the newest: a digest, a version, or the tag of AWS's image.

    `newest` is the newest of the same series, then the newest of all, each if there is one. None as
    `now`: `buildkit lock --upgrade` would add the package; without `newest`, it would remove it.
    `unknown` is the reason why the newest is unknown.
    """

    kind: Kind
    name: str
    targets: tuple[str, ...]
    now: str | None
    newest: tuple[str, ...] = ()
    unknown: str | None = None


def merged(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """One finding for all targets that have the same, in the order of the first ones."""
    found: dict[Finding, set[str]] = {}
    for each in findings:
        found.setdefault(replace(each, targets=()), set()).update(each.targets)
    return tuple(replace(each, targets=tuple(sorted(ids))) for each, ids in found.items())


def reason(error: BuildkitError) -> str:
    """An error in one line: the first and the last of its evidence, or its message and its hint."""
    plain = (TIME.sub("", BEGINNING.sub("", line).strip()) for line in error.details.splitlines())
    lines = [*filter(None, plain)]
    if lines:
        return ": ".join(dict.fromkeys((lines[0], lines[-1])))
    return error.message + (f" ({error.hint})" if error.hint else "")
