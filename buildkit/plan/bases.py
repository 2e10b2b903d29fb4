"""Images that targets are built from -> their digests now.

They come from images.lock, a registry, or else the engine.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from buildkit.config import substitution
from buildkit.ecr.logins import base_logins
from buildkit.lock import bases
from buildkit.registry.bases import NO_IMAGE
from buildkit.support.errors import BuildkitError, ToolError
from buildkit.system import console, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from buildkit.config.network import Network
    from buildkit.model.login import Login
    from buildkit.model.target import Target

AT_ONCE = 8
"""Bases that are looked up at once."""


@dataclass(frozen=True, kw_only=True)
class Bases:
    """The digests of images that images.lock does not pin, by their names in images.toml.

    Those are the bases, and the images that cuda-compat comes from.

    A base of `served` is in a registry, which builds pull it from by this digest; one of `local`
    only in the engine. `unknown` has the reasons of the others.
    """

    served: Mapping[str, str] = field(default_factory=dict)
    local: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)

    def of(self, target: Target) -> dict[str, str | None]:
        """The digests of the images of a target, by their names; None if one is unknown."""
        return {image: self._digest(image, pin) for image, pin in target.images.items()}

    def _digest(self, image: str, pin: str | None) -> str | None:
        if image == NO_IMAGE:
            return NO_IMAGE
        _, _, written = image.partition("@")
        return written or pin or self.served.get(image) or self.local.get(image)

    def with_engine(self, find: Callable[[str], str | None], network: Network) -> Bases:
        """The same, with those of the engine; `find` returns the id of its image with a name."""
        images = {
            base: substitution.substitute(base, network.substitutes) or base
            for base in self.unknown
        }
        found = {base: id_ for base, image in images.items() if (id_ := find(image)) is not None}
        unknown = {base: why for base, why in self.unknown.items() if base not in found}
        return replace(self, local=found, unknown=unknown)


def find(
    targets: Sequence[Target], network: Network, in_engine: Callable[[str], str | None]
) -> Bases:
    """Ask the registries, then the engine for what they do not know.

    `in_engine` returns the id of the engine's image with a name. Without an engine, where it raises
    ToolError, such bases are unknown, and the reasons of their registries are said.
    """
    found = served(targets, network)
    if found.unknown:
        with suppress(ToolError):
            found = found.with_engine(in_engine, network)
    for why in found.unknown.values():
        console.say(why, dim=True)
    return found


def served(targets: Iterable[Target], network: Network) -> Bases:
    """Ask the registries of all bases that are not pinned, each once, in parallel."""
    wanted = bases.tagged(
        image for each in targets for image, pin in each.images.items() if pin is None
    )
    rules = network.substitutes
    logins, refused = base_logins(substitution.registry(each, rules) for each in wanted)
    looks = [
        partial(_look, base, rules, logins)
        for base in wanted
        if substitution.registry(base, rules) not in refused
    ]
    found: list[tuple[str, str, str]] = workers.run(looks, jobs=AT_ONCE)
    errors = {each: refused.get(substitution.registry(each, rules)) for each in wanted}
    unknown = {base: error.message for base, error in errors.items() if error is not None}
    return Bases(
        served={base: digest for base, digest, _ in found if digest},
        unknown={**unknown, **{base: why for base, digest, why in found if not digest}},
    )


def _look(
    base: str, rules: Sequence[substitution.Rule], logins: Mapping[str, Login]
) -> tuple[str, str, str]:
    """A base, its digest, and why that is unknown; one of them is empty."""
    try:
        return base, bases.digest(base, rules, logins, attempts=1), ""
    except BuildkitError as error:
        return base, "", error.message
