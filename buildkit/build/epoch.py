"""Bases -> SOURCE_DATE_EPOCH of the images on them: the time in their configuration and history.

It is the time at which the base was created: the same on each machine and day, and with each
commit. Files have no part in it: the steps of templates give them a time of their own.
"""

from __future__ import annotations

import os
import re
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from buildkit.registry import bases
from buildkit.support.errors import BuildkitError, ToolError
from buildkit.system import console, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from buildkit.model.login import Login
    from buildkit.registry.manifests import Manifest

VARIABLE = "SOURCE_DATE_EPOCH"
"""The argument of a build that BuildKit reads itself; it is part of no cache key."""
UNKNOWN, UNKNOWN_DATE = 946_684_800, "2000-01-01"
"""For a base whose time is not found: the time that files have (templates/macros/step.j2)."""
TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)")
"""RFC 3339. `fromisoformat` of older Pythons reads neither nine digits of a second nor the `Z`."""
LOOKS = 8
"""Bases that are looked up at once."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """A base image, by its reference after substitution, and the platform of its use."""

    reference: str
    platform: str


def is_ours() -> bool:
    """Whether we choose the time: buildx passes one that the user has set to the builds itself."""
    return not os.environ.get(VARIABLE)


def find(
    wanted: Iterable[Base], in_engine: Callable[[str], str | None], logins: Mapping[str, Login]
) -> dict[Base, int]:
    """The time of each base in seconds since 1970, UNKNOWN for one that has none.

    A base that was not found is left out. So are all, if the user has set the variable. `in_engine`
    returns when an image of the engine was created, None if it has no such image; the registry is
    asked for the others. `logins` are those that docker lacks, by host.
    """
    if not is_ours():
        return {}
    looks = [partial(_look, base, in_engine, logins) for base in dict.fromkeys(wanted)]
    found: list[tuple[Base, int | None, str]] = workers.run(looks, jobs=LOOKS)
    times = {}
    for base, time, why in sorted(found, key=lambda each: each[0].reference):
        if why:
            dated = f"images on it are dated {UNKNOWN_DATE}"
            console.say(f"{base.reference}: creation time unknown, {dated}: {why}", dim=True)
        if time is not None:
            times[base] = time
    return times


def _look(
    base: Base, in_engine: Callable[[str], str | None], logins: Mapping[str, Login]
) -> tuple[Base, int | None, str]:
    """The time of a base, None if it was not found, and what is wrong."""
    if base.reference == bases.NO_IMAGE:
        return base, UNKNOWN, ""
    try:
        created = in_engine(base.reference) or _in_registry(base, logins)
    except BuildkitError as error:
        return base, None, error.message
    if (time := _seconds(created)) is not None:
        return base, time, ""
    return base, UNKNOWN, f"its configuration says `{created}`"


def _in_registry(base: Base, logins: Mapping[str, Login]) -> str | None:
    """Raises ToolError. One attempt: builds in closed networks cannot wait for more."""
    host, repository, reference = bases.located(base.reference)
    with closing(bases.registry(host, logins, attempts=1)) as registry:
        found = registry.manifest(repository, reference)
        if found is not None and found.document.manifests is not None:
            digest = _of_platform(found, base.platform)
            found = registry.manifest(repository, digest) if digest else None
        if found is None or found.config_digest is None:
            raise ToolError(f"{host} has no image for {base.platform}")
        return registry.config(repository, found.config_digest).created


def _of_platform(index: Manifest, platform: str) -> str | None:
    for each in index.document.manifests or ():
        if each.platform and f"{each.platform.os}/{each.platform.architecture}" == platform:
            return each.digest
    return None


def _seconds(created: str | None) -> int | None:
    """Seconds since 1970; None for no time, and for what stands for none, as the year 1."""
    with suppress(ValueError):
        if match := TIME.fullmatch(created or ""):
            time = datetime.fromisoformat(match[1] + match[2].replace("Z", "+00:00"))
            return max(int(time.timestamp()), 0) or None
    return None
