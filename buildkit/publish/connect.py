"""Deliver tested images to registries: their logins, their repositories, their bytes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from buildkit.aliases.moves import Moves
from buildkit.ecr import api, desired, drift, places, repositories
from buildkit.ecr.places import Api
from buildkit.engine.content_store import Store
from buildkit.publish.destination import Destination
from buildkit.publish.image_archive import Spool
from buildkit.publish.packing import Packing
from buildkit.publish.publish import Publisher
from buildkit.publish.upload import Transfer
from buildkit.registry import docker_config
from buildkit.registry.client import Registry
from buildkit.registry.wire import Wire
from buildkit.support.errors import BuildkitError, UnavailableError, together
from buildkit.system import console, tempdirs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from buildkit.aliases.follow import Known
    from buildkit.config.images_toml import Config
    from buildkit.config.repositories import RepositoriesTable
    from buildkit.config.schema import RegistryTable
    from buildkit.ecr.drift import Wanted
    from buildkit.ecr.places import Place
    from buildkit.engine.engine import Engine
    from buildkit.model.image import Published
    from buildkit.model.login import Login
    from buildkit.model.target import Target


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Publishes to some registries."""

    publisher: Publisher
    registries: Sequence[Registry]

    def move_aliases(
        self, targets: Sequence[Target], published: Sequence[Published], known: Known
    ) -> Moves:
        """Have all aliases of the targets where they belong, if every exact tag of them is in."""
        if not any(target.family for target in targets):
            return Moves()
        if lacking := len(targets) - len(published):
            console.say(f"aliases stay: {lacking} of {len(targets)} targets are not published")
            return Moves()
        from buildkit.aliases import follow  # noqa: PLC0415 - what orders versions takes long to load

        return follow.move(self.registries, targets, known)


@contextmanager
def to(
    config: Config, hosts: Sequence[str], targets: Sequence[Target], engine: Engine | None
) -> Iterator[Delivery]:
    """Have logins that the registries take, before anything is built.

    `targets` are all of images.toml: what a repository should be depends on all that it holds.
    Without an engine only what is staged can be published.
    Of several registries one that does not answer now is left out, and told: each image fails to be
    published there. Raises UsageError if no registry is named, ConfigError if ECR could not keep a
    repository so, ToolError if a registry gives or takes no login, or none answers.
    """
    with _reach(config, places.places(config.registry, hosts), targets) as (reached, failed):
        away = {host: each for host, each in failed.items() if isinstance(each, UnavailableError)}
        if not reached or len(away) < len(failed):
            raise _refusal(failed, len(reached))
        for host in away:
            console.say(f"{host} does not answer: nothing is published there now", fg="yellow")
        with _packer(engine) as packer:
            yield Delivery(
                publisher=Publisher(
                    destinations=_destinations(config, reached, targets),
                    absent=away,
                    packer=packer,
                ),
                registries=[each.registry for each in reached],
            )


def _destinations(
    config: Config, reached: Sequence[Reached], targets: Sequence[Target]
) -> list[Destination]:
    sisters = tuple(dict.fromkeys(target.repository for target in targets))
    return [
        Destination(
            registry=each.registry,
            carrier=Transfer(registry=each.registry, sisters=sisters),
            have_repository=each.have_repository,
            mutable=config.registry.repositories.mutability == "mutable",
        )
        for each in reached
    ]


@contextmanager
def _packer(engine: Engine | None) -> Iterator[Packing | None]:
    if engine is None:
        yield None
        return
    with tempdirs.folder() as folder, closing(Store(engine=engine)) as store:
        yield Packing(store=store, spool=Spool(engine=engine, folder=folder))


@dataclass(frozen=True, kw_only=True, eq=False)
class Reached:
    """A registry that takes our login. `have_repository` makes one that is missing."""

    registry: Registry
    have_repository: Callable[[str], None]


def wanted(config: Config, hosts: Sequence[str]) -> frozenset[str]:
    """The hosts of the registries to publish to. Raises UsageError, as `to`."""
    return frozenset(each.host for each in places.places(config.registry, hosts))


def tell_which(config: Config, hosts: Sequence[str], given_by: str) -> None:
    """Say so where registries that were given, and how, replace those of images.toml."""
    own = written(config) if hosts else ()
    if own and {*own} != {*hosts}:
        console.say(
            f"registries: {', '.join(hosts)}, by {given_by}; those of images.toml are not used: "
            f"{', '.join(own)}",
            fg="yellow",
        )


def written(config: Config) -> tuple[str, ...]:
    """The hosts of the registries that images.toml names; perhaps none."""
    return tuple(_written(config.registry))


def registry(options: RegistryTable, host: str) -> AbstractContextManager[Registry]:
    """A registry as `[registry]` has it, if it does, of which nothing is asked yet."""
    return closing(_registry(_place(options, host)))


@contextmanager
def reach(
    config: Config, hosts: Sequence[str], targets: Sequence[Target] = ()
) -> Iterator[tuple[Reached, ...]]:
    """Registries as images.toml has them, if it does; `targets` are all of it.

    Raises the errors of `to`, also if one of several does not answer.
    """
    found = [_place(config.registry, host) for host in hosts]
    with _reach(config, found, targets) as (reached, failed):
        if failed:
            raise _refusal(failed, len(reached))
        yield reached


def _written(options: RegistryTable) -> dict[str, Place]:
    named = options.host or (options.account and options.region)
    return {each.host: each for each in places.places(options, ())} if named else {}


def _place(options: RegistryTable, host: str) -> Place:
    return _written(options).get(host) or places.places(options, (host,))[0]


def _registry(place: Place) -> Registry:
    return Registry(wire=Wire(host=place.host, login=_login(place)))


@contextmanager
def _reach(
    config: Config, found: Sequence[Place], targets: Sequence[Target]
) -> Iterator[tuple[tuple[Reached, ...], Mapping[str, BuildkitError]]]:
    """The registries that answer and take our login, and why the others, by host, do not."""
    ours = any(each.api is Api.ECR for each in found)
    kept = {each.name: each for each in desired.wanted(config, targets)} if ours else {}
    table = config.registry.repositories
    with ExitStack() as opened:
        registries = [opened.enter_context(closing(_registry(each))) for each in found]
        with ThreadPoolExecutor(max_workers=max(1, len(registries))) as pool:
            errors = list(pool.map(_check, registries))
        reached = tuple(
            Reached(
                registry=registry,
                have_repository=_Repositories(place=place, kept=kept, table=table).have,
            )
            for place, registry, error in zip(found, registries, errors, strict=True)
            if error is None
        )
        yield (
            reached,
            {
                place.host: error
                for place, error in zip(found, errors, strict=True)
                if error is not None
            },
        )


def _check(registry: Registry) -> BuildkitError | None:
    try:
        registry.check()
    except BuildkitError as error:
        return error
    return None


def _refusal(failed: Mapping[str, BuildkitError], others: int) -> BuildkitError:
    """Nothing has been sent yet: all that is wrong is told at once."""
    errors = [*failed.values()]
    of = len(errors) + others
    return errors[0] if of == 1 else together(errors, of, "nothing was sent anywhere")


@dataclass(kw_only=True)
class _Repositories:
    """Those of one registry that are known to be there. `table` is for those of no target."""

    place: Place
    kept: Mapping[str, Wanted]
    table: RepositoriesTable
    _known: set[str] = field(default_factory=set)
    _locks: dict[str, threading.Lock] = field(default_factory=dict)

    def have(self, name: str) -> None:
        """Create a repository that is missing, where registries do not do that by themselves."""
        if self.place.api is not Api.ECR:
            return
        with self._locks.setdefault(name, threading.Lock()):
            if name not in self._known:
                wanted = self.kept.get(name) or drift.wanted(name, self.table, tags=(), aliases=())
                if repositories.ensure(repositories.of(self.place), wanted):
                    console.say(f"created the repository {self.place.host}/{name}")
                self._known.add(name)


def _login(place: Place) -> Callable[[], Login | None]:
    """ECR's own, fresh at each call; of another registry the one that docker has."""
    if place.api is Api.NONE:
        return lambda: docker_config.of(place.host)
    return lambda: api.login(place)
