"""images.toml -> the ECR repositories that its images need, with their settings."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from buildkit.config.problems import Problem, fail
from buildkit.ecr import drift
from buildkit.model.families import aliases_of
from buildkit.model.hosts import ECR_HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from buildkit.config.images_toml import Config
    from buildkit.ecr.drift import Wanted
    from buildkit.model.target import Target

KEPT = ("registry", "repositories")


def problems(config: Config, targets: Sequence[Target]) -> Iterator[Problem]:
    """What ECR could not keep as images.toml asks, if the file names a registry of ECR."""
    named = (config.registry, *config.registry.copies)
    by_parts = config.registry.account and config.registry.region
    hosts = ((each.host or "").partition(":")[0] for each in named)
    if by_parts or any(map(ECR_HOST.fullmatch, hosts)):
        for each in _each(config, targets):
            if isinstance(each, Problem):
                yield each


def wanted(
    config: Config,
    targets: Sequence[Target],
    published: Callable[[str], Collection[str]] = lambda _name: (),
) -> tuple[Wanted, ...]:
    """The repositories in the order of the file. `targets` are all of images.toml.

    `published` returns the exact tags that a repository has from an older images.toml: no filter
    for an alias may let them move. Raises ConfigError with all repositories whose settings ECR
    does not allow.
    """
    found = [*_each(config, targets, published)]
    fail(config.path.name, config.text, [each for each in found if isinstance(each, Problem)])
    return tuple(each for each in found if not isinstance(each, Problem))


def _each(
    config: Config,
    targets: Sequence[Target],
    published: Callable[[str], Collection[str]] = lambda _name: (),
) -> Iterator[Wanted | Problem]:
    """Each repository as it should be, or why ECR could not keep it."""
    by_name: dict[str, list[Target]] = defaultdict(list)
    for target in targets:
        by_name[target.repository].append(target)
    for name, inside in by_name.items():
        tags = [*dict.fromkeys((*(target.tag for target in inside), *sorted(published(name))))]
        aliases = [alias for each in inside for alias in aliases_of(each.family, each.version)]
        try:
            yield drift.wanted(name, config.registry.repositories, tags=tags, aliases=aliases)
        except ValueError as error:
            yield Problem(path=KEPT, message=f"`{name}`: {error}")
