"""Frameworks, CUDA and Python: which targets cannot work, by the data in frameworks.txt.

Only known facts count: exact versions that the data has, on linux/amd64. Nothing is known about
builds with a label of their own, such as `2.5.1+ours`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from buildkit.amis import facts, fit
from buildkit.amis.facts import ENDPOINT
from buildkit.config import requirements
from buildkit.model.target import Device
from buildkit.prebuilt import reverse
from buildkit.support import tables
from buildkit.support.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildkit.model.target import Target

DATA = Path(__file__).with_name("frameworks.txt")
PLATFORM = "linux/amd64"
CPU_LABEL = "cpu"
EXACT = ("==", "===")
ZEROS = re.compile(r"(?:\.0)+\Z")
CUDA_LABEL = re.compile(r"cu([0-9]+)([0-9])")
NEVER = "never"


@dataclass(frozen=True, kw_only=True)
class Release:
    """One line of the data, with `-` for unknown values."""

    version: str
    pythons: str
    cuda: str
    variants: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Package:
    """`cuda` is how a package gets CUDA: `included`, `never`, or the name of an extra.

    `other` is the package for the other device.
    """

    name: str
    cuda: str
    other: str
    releases: Mapping[str, Release]


@dataclass(frozen=True, kw_only=True)
class Cuda:
    """The CUDA version that packages and base need, and the oldest NVIDIA driver for it.

    `needs` is what it asks of hosts, None for images that do not serve. `driver` is None if
    unknown.
    """

    version: facts.Version
    needs: fit.Needs | None

    @property
    def asks(self) -> tuple[fit.Ask, ...]:
        return fit.asks(self.needs) if self.needs else ()

    @property
    def driver(self) -> int | None:
        known = facts.drivers().get(self.version.major)
        return known and known.oldest


@dataclass(frozen=True, kw_only=True)
class Exact:
    """A requirement for one exact version of a package, such as `torch==2.5.1+cpu`."""

    name: str
    version: Version
    extras: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """A requirement of a target whose release is known. `label` is the end of its version."""

    package: Package
    release: Release
    label: str
    extras: frozenset[str]

    @property
    def name(self) -> str:
        return f"{self.package.name} {self.release.version}"

    @property
    def variant(self) -> str | None:
        """The CUDA of the label: 12.4 for `cu124`."""
        match = CUDA_LABEL.fullmatch(self.label)
        return match and f"{match[1]}.{match[2]}"


def problems(target: Target) -> Iterator[str]:
    """What cannot work in this target, and what to use instead."""
    found = [each for pinned in _pinned(target) for each in _of_package(pinned, target)]
    yield from found or _of_hosts(target)


def cuda_of(target: Target) -> Cuda | None:
    """The CUDA version that a target for GPUs needs, if known."""
    if target.device is not Device.GPU:
        return None
    versions = (pinned.variant or pinned.release.cuda for pinned in _pinned(target))
    found = [facts.version(each) for each in versions if each != "-"]
    base = facts.of_reference(target.base)
    newest = max(filter(None, (*found, base)), default=None)
    if newest is None:
        return None
    # AWS's images have cuda-compat, too, and load it where they have to.
    compat = target.cuda_compat is not None or _is_of_aws(target.base)
    needs = fit.Needs(newest, compat=compat)
    return Cuda(version=newest, needs=needs if target.purpose.serves else None)


def _is_of_aws(base: str) -> bool:
    """Whether a base is one of AWS's images. A name without a registry or a tag is none."""
    try:
        return reverse.is_of_aws(reverse.parse(base))
    except UsageError:
        return False


@cache
def exact(text: str) -> Exact | None:
    """A requirement as the one version that it allows; None if it may allow others."""
    try:
        requirement = requirements.parsed(text)
        pins = [each for each in requirement.specifier if each.operator in EXACT]
        versions = [Version(each.version) for each in pins if not each.version.endswith(".*")]
    except (InvalidRequirement, InvalidVersion):
        return None  # `targets` reports what is not a requirement
    if not versions or requirement.marker:
        return None
    return Exact(name=requirement.name, version=versions[0], extras=frozenset(requirement.extras))


def _pinned(target: Target) -> Iterator[Pinned]:
    if target.platform == PLATFORM:
        yield from filter(None, map(_release, target.packages))


@cache
def _release(text: str) -> Pinned | None:
    """The release that a requirement asks for; None if it is not known."""
    if (found := exact(text)) is None:
        return None
    package = _packages().get(canonicalize_name(found.name))
    release = package and package.releases.get(_shortest(found.version.public))
    label = found.version.local or ""
    known = label in ("", CPU_LABEL) or CUDA_LABEL.fullmatch(label)
    if not package or not release or not known:
        return None
    return Pinned(package=package, release=release, label=label, extras=found.extras)


def _of_package(pinned: Pinned, target: Target) -> Iterator[str]:
    yield from _python(pinned, target.python)
    if target.device is Device.GPU:
        yield from _gpu(pinned, target.base)
    else:
        yield from _cpu(pinned)


def _of_hosts(target: Target) -> Iterator[str]:
    if (cuda := cuda_of(target)) is None:
        return
    if target.cuda_compat is not None:
        held = facts.of_reference(target.cuda_compat.image)
        if held is not None and held < cuda.version:
            yield (
                f"the packages or the base need CUDA {cuda.version}, and `cuda-compat` is of CUDA "
                f"{held}; use an image of CUDA {cuda.version} there"
            )
    if any(each.job == ENDPOINT and each.ami is None for each in cuda.asks):
        yield (
            f"no host of SageMaker's endpoints has a driver for CUDA {cuda.version}; use packages "
            f'and a base of CUDA {max(facts.drivers())} or older, or `purposes = ["training"]`'
        )


def _python(pinned: Pinned, python: str) -> Iterator[str]:
    if not _fits(python, pinned.release.pythons):
        name = pinned.package.name
        others = [each for each in pinned.package.releases.values() if _fits(python, each.pythons)]
        yield f"{pinned.name} does not support Python {python}, only {pinned.release.pythons}" + (
            f"; the newest for Python {python} is {name} {others[-1].version}" if others else ""
        )


def _gpu(pinned: Pinned, base: str) -> Iterator[str]:
    package, release = pinned.package, pinned.release
    if package.cuda == NEVER:
        instead = "" if package.other == "-" else f"; use `{package.other}` for gpu"
        yield f"{pinned.name} does not support CUDA, which an image for gpu needs{instead}"
    if pinned.label == CPU_LABEL:
        instead = f"{package.name}=={release.version}"
        yield f"{pinned.name}+cpu does not support CUDA; use `{instead}` for gpu"
    if pinned.variant and release.variants and pinned.variant not in release.variants:
        yield (
            f"{pinned.name} is not available for CUDA {pinned.variant}, only for "
            + ", ".join(release.variants)
        )
    match = facts.CUDA_BASE.match(base)
    included = package.cuda == "included" or package.cuda in pinned.extras
    if match and not included and release.cuda != "-" and _major(match[1]) != _major(release.cuda):
        yield (
            f"{pinned.name} needs CUDA {release.cuda}, but the base has {match[1]}; use a "
            f"base with CUDA {_major(release.cuda)}, or `{package.name}[{package.cuda}]`"
        )


def _cpu(pinned: Pinned) -> Iterator[str]:
    package, release = pinned.package, pinned.release
    if pinned.variant:
        instead = f"{package.name}=={release.version}+{CPU_LABEL}"
        yield f"{pinned.name}+{pinned.label} installs CUDA in an image for cpu; use `{instead}`"
    if package.cuda == "included" and release.cuda != "-" and package.other != "-":
        yield f"{pinned.name} installs CUDA in an image for cpu; use `{package.other}`"
    if package.cuda in pinned.extras:
        yield (
            f"{package.name}[{package.cuda}] installs CUDA in an image for cpu; "
            f"use `{package.other}`"
        )


def _fits(python: str, pythons: str) -> bool:
    """Whether a Python is within `3.9-3.12` or `3.9+`; `-` allows all."""
    if pythons == "-":
        return True
    first, _, last = pythons.removesuffix("+").partition("-")
    return Version(first) <= Version(python) and (not last or Version(python) <= Version(last))


def _shortest(version: str) -> str:
    """The same for all spellings of a release: 2, 2.0 and 2.0.0 are one (PEP 440)."""
    return ZEROS.sub("", version)


def _major(cuda: str) -> str:
    return cuda.partition(".")[0]


@cache
def _packages() -> Mapping[str, Package]:
    found = {}
    for title, text in tables.sections(str(DATA)).items():
        name, cuda, other = title.split()
        releases = {
            _shortest(version): Release(
                version=version,
                pythons=pythons,
                cuda=brought,
                variants=() if variants == "-" else tuple(variants.split(",")),
            )
            for version, pythons, brought, variants in tables.rows(text)
        }
        found[name] = Package(name=name, cuda=cuda, other=other, releases=releases)
    return found
