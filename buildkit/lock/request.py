"""A target -> what uv is asked for: requirements, package indexes, Python and platform."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from buildkit.config import requirements
from buildkit.model import names
from buildkit.model.target import Pins
from buildkit.render import render
from buildkit.support.errors import TemplateError

if TYPE_CHECKING:
    from buildkit.model.target import Rendered, Target
    from buildkit.render.render import Templates

OF_RUNTIME = re.compile(r"from=runtime,source=requirements\.txt,")
"""How a Dockerfile mounts the requirements of the runtime (templates/macros/pip.j2)."""
MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
SYSTEMS = (
    ("*alpine*", "unknown-linux-musl"),
    ("amazonlinux:2", "manylinux_2_17"),
    ("amazonlinux:[12].*", "manylinux_2_17"),
    ("centos:7*", "manylinux_2_17"),
)
"""The bases, by patterns of their names, whose system is not `SYSTEM`."""
SYSTEM = "manylinux_2_28"
"""Wheels of `manylinux_2_28` need glibc 2.28 (PEP 600), which Debian has since 10, Ubuntu since
18.10, Red Hat since 8 and Amazon Linux since 2023. The next older image of PyPA that projects build
in is `manylinux2014`, glibc 2.17 (https://github.com/pypa/manylinux)."""
PROVISIONAL = Pins(packages="0" * 64)


@dataclass(frozen=True, kw_only=True)
class Request:
    """Targets with equal requests get the same packages."""

    requirements: tuple[str, ...]
    indexes: tuple[str, ...]
    source_builds: tuple[str, ...] = ()
    python: str
    platform: str

    @property
    def digest(self) -> str:
        """The same in every checkout, and in every network: mirrors do not count."""
        facts = json.dumps(vars(self), sort_keys=True)
        return f"sha256:{hashlib.sha256(facts.encode()).hexdigest()}"


def of(pinned: Rendered, templates: Templates) -> Request | None:
    """The request of a target that was rendered with pins.

    None if its template does not use pip.install for `packages`, so that a lock can pin none.
    Raises TemplateError.
    """
    target = pinned.target
    if render.FROM_LOCK not in pinned.dockerfile:
        return None
    wanted = target.packages
    if OF_RUNTIME.search(pinned.dockerfile):
        wanted = (*wanted, *_of_runtime(templates))
    if not wanted:
        return None
    return Request(
        requirements=wanted,
        indexes=target.indexes,
        source_builds=target.source_builds,
        python=target.python,
        platform=platform(target),
    )


def platform(target: Target) -> str:
    """The platform of a target's wheels, as uv spells it."""
    return f"{MACHINES[target.platform]}-{_system(target.base)}"


@cache
def _system(base: str) -> str:
    name = names.familiar(base)
    return next((each for form, each in SYSTEMS if fnmatch.fnmatch(name, form)), SYSTEM)


def _of_runtime(templates: Templates) -> tuple[str, ...]:
    found, wrong = requirements.read(templates.runtime / "requirements.txt")
    if wrong:
        raise TemplateError(wrong[0], hint=f"fix {templates.runtime / 'requirements.txt'}")
    return found
