"""images.toml -> the ECR repositories that its images need, with their settings."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.config.problems import Problem, fail
from buildkit.config.values import OWNER
from buildkit.ecr import places
from buildkit.model import tag_filters
from buildkit.model.families import aliases_of
from buildkit.model.hosts import ECR_HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from buildkit.config.images_toml import Config
    from buildkit.config.schema import RepositoriesTable
    from buildkit.model.target import Target

IMMUTABLE = "IMMUTABLE_WITH_EXCLUSION"
KEPT = ("registry", "repositories")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A repository as it should be. `filters` match the tags that may move; empty if all may."""

    name: str
    filters: tuple[str, ...]
    table: RepositoriesTable

    @property
    def mutability(self) -> str:
        return IMMUTABLE if self.filters else "MUTABLE"

    @property
    def tags(self) -> tuple[tuple[str, str], ...]:
        return (OWNER, *self.table.tags.items())


def repository(
    name: str, table: RepositoriesTable, *, tags: Sequence[str], aliases: Sequence[str]
) -> Wanted:
    """A repository. `tags` and `aliases` are all that images.toml has in it.

    Raises ValueError if an alias can only move if an exact tag can, too, or there are too many.
    """
    immutable = table.mutability == "immutable"
    filters = tag_filters.filters(tags, aliases) if immutable else ()
    return Wanted(name=name, filters=filters, table=table)


def problems(config: Config, targets: Sequence[Target]) -> Iterator[Problem]:
    """Registries that are not what they look like, and what ECR could not keep as asked."""
    if all(found.path[:1] != ("registry",) for found in config.problems):
        yield from places.problems(config.registry)
    named = (config.registry, *config.registry.copies)
    by_parts = config.registry.account and config.registry.region
    hosts = ((each.host or "").partition(":")[0] for each in named)
    if by_parts or any(map(ECR_HOST.fullmatch, hosts)):
        for each in _each(config, targets):
            if isinstance(each, Problem):
                yield each


def repositories(
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
            yield repository(name, config.registry.repositories, tags=tags, aliases=aliases)
        except ValueError as error:
            yield Problem(path=KEPT, message=f"`{name}`: {error}")
