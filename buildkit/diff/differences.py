"""Two images -> their differences: layers, configuration, packages. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.diff.packages import below, merged
from buildkit.registry.shapes import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildkit.diff.packages import Layer, Packages
    from buildkit.registry.shapes import Configuration

SETTINGS = ("entrypoint", "cmd", "user", "workingdir", "exposedports", "volumes", "stopsignal")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A compressed layer in a registry. `size` in bytes."""

    digest: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Layers:
    """The layers that both images have, and those of one image only."""

    shared: tuple[Stored, ...]
    only_a: tuple[Stored, ...]
    only_b: tuple[Stored, ...]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """`name` is what differs; `a` or `b` is None if that image does not have it."""

    name: str
    a: str | None
    b: str | None


def layers(a: Sequence[Stored], b: Sequence[Stored]) -> Layers:
    return Layers(
        shared=tuple(each for each in a if each in b),
        only_a=tuple(each for each in a if each not in b),
        only_b=tuple(each for each in b if each not in a),
    )


def common(a: Sequence[Stored], b: Sequence[Stored]) -> int:
    """The number of layers that are the same in both, from the lowest on."""
    same = [first == second for first, second in zip(a, b, strict=False)]
    return same.index(False) if False in same else len(same)


def configuration(a: Configuration, b: Configuration) -> tuple[Difference, ...]:
    """The differences between two configurations."""
    return _differing(_settings(a), _settings(b))


def are_enough(above_a: Sequence[Layer], above_b: Sequence[Layer]) -> bool:
    """Whether upper layers show all differences in packages, without the shared layers below."""
    debian_a, debian_b = (any(each.replaces_debian for each in s) for s in (above_a, above_b))
    unknown = any(each.hides_unknown for each in (*above_a, *above_b))
    return debian_a == debian_b and not unknown


def packages(
    common_layers: Sequence[Layer] | None, above_a: Sequence[Layer], above_b: Sequence[Layer]
) -> tuple[Difference, ...]:
    """The differences between two images with shared layers, which are None if they were not read.

    Then a package of theirs that one image deletes is known by its name, and is still in the other.
    """
    known = common_layers is not None
    base = merged({}, common_layers or ()) if known else below(above_a) | below(above_b)
    return _differing(_versions(merged(base, above_a)), _versions(merged(base, above_b)))


def _settings(document: Configuration) -> dict[str, str]:
    config = document.config or Settings()
    found = {"platform": f"{document.os}/{document.architecture}"}
    for pair in config.env or ():
        name, _, text = pair.partition("=")
        found[f"env {name}"] = text
    for name, text in (config.labels or {}).items():
        found[f"label {name}"] = text
    for name in SETTINGS:
        if value := getattr(config, name):
            found[name] = value if isinstance(value, str) else " ".join(value)
    return found


def _versions(found: Packages) -> dict[str, str]:
    versions: defaultdict[str, set[str]] = defaultdict(set)
    for each in found.values():
        for package in each:
            versions[f"{package.kind} {package.name}"].add(package.version)
    return {name: ", ".join(sorted(each)) for name, each in versions.items()}


def _differing(a: Mapping[str, str], b: Mapping[str, str]) -> tuple[Difference, ...]:
    names = [name for name in sorted({*a, *b}) if a.get(name) != b.get(name)]
    return tuple(Difference(name=name, a=a.get(name), b=b.get(name)) for name in names)
