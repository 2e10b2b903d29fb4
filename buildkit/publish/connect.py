"""Connect to the registries to publish to: logins, repositories, a publisher for all of them."""

from __future__ import annotations

import threading
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from buildkit.ecr import places, wanted
from buildkit.ecr.places import Api
from buildkit.publish.destination import Destination, everywhere
from buildkit.publish.publisher import Publisher
from buildkit.publish.upload import Uploader
from buildkit.registry import docker_config
from buildkit.registry.client import Registry
from buildkit.registry.wire import Wire
from buildkit.support.errors import BuildkitError, UnavailableError, together
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from buildkit.config.images_toml import Config
    from buildkit.config.schema import RegistryTable, RepositoriesTable
    from buildkit.ecr.places import Place
    from buildkit.ecr.wanted import Wanted
    from buildkit.model.login import Login
    from buildkit.model.target import Target


@contextmanager
def to(config: Config, hosts: Sequence[str], targets: Sequence[Target]) -> Iterator[Publisher]:
    """Log in to the registries, before anything is built.

    `targets` are all of images.toml: a repository's settings depend on all its images. Without a
    packer, the publisher can publish only staged images. If one of several registries does not
    answer, this is said, and each image fails there. Raises UsageError if no registry is named,
    ConfigError if ECR does not allow a repository's settings, ToolError if a login fails or no
    registry answers.
    """
    with _reach(config, places.places(config.registry, hosts), targets) as (reached, failed):
        away = {host: each for host, each in failed.items() if isinstance(each, UnavailableError)}
        if not reached or len(away) < len(failed):
            raise _refusal(failed, len(reached))
        for host in away:
            console.say(f"{host} does not answer: skipping that registry", fg="yellow")
        yield Publisher(destinations=reached, absent=away)


def hosts(config: Config, given: Sequence[str]) -> frozenset[str]:
    """The hosts of the registries to publish to. Raises UsageError, as `to` does."""
    return frozenset(each.host for each in places.places(config.registry, given))


def say_which(config: Config, hosts: Sequence[str], given_by: str) -> None:
    """Say if the registries that an option or a variable names replace those of images.toml."""
    own = written(config) if hosts else ()
    if own and {*own} != {*hosts}:
        console.say(
            f"registries from {given_by}: {', '.join(hosts)}; ignoring those of images.toml: "
            f"{', '.join(own)}",
            fg="yellow",
        )


def written(config: Config) -> tuple[str, ...]:
    """The hosts of the registries that images.toml names, if any."""
    return tuple(_written(config.registry))


def registry(options: RegistryTable, host: str) -> AbstractContextManager[Registry]:
    """A registry, set up as in `[registry]` if it is there. No request is sent yet."""
    return closing(_registry(_place(options, host)))


@contextmanager
def reach(
    config: Config, hosts: Sequence[str], targets: Sequence[Target] = ()
) -> Iterator[tuple[Destination, ...]]:
    """Registries, set up as in images.toml if they are there; `targets` are all of it.

    Raises the errors of `to`, also if one of several registries does not answer.
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
) -> Iterator[tuple[tuple[Destination, ...], Mapping[str, BuildkitError]]]:
    """The registries that accept our login, and the errors of the others by host."""
    ours = any(each.api is Api.ECR for each in found)
    kept = {each.name: each for each in wanted.repositories(config, targets)} if ours else {}
    sisters = tuple(dict.fromkeys(target.repository for target in targets))
    table = config.registry.repositories
    with ExitStack() as opened:
        every = []
        for place in found:
            registry = opened.enter_context(closing(_registry(place)))
            every.append(
                Destination(
                    registry=registry,
                    upload=Uploader(registry=registry, sisters=sisters).upload,
                    have_repository=_Repositories(place=place, kept=kept, table=table).have,
                    mutable=table.mutability == "mutable",
                )
            )
        reached, failed = everywhere(every, lambda each: each.registry.check())
        yield tuple(reached), failed


def _refusal(failed: Mapping[str, BuildkitError], others: int) -> BuildkitError:
    """One error for all registries that failed, before anything was uploaded."""
    errors = [*failed.values()]
    of = len(errors) + others
    return errors[0] if of == 1 else together(errors, of, "nothing was uploaded")


@dataclass(kw_only=True)
class _Repositories:
    """The repositories of one registry. `table` has the settings for those without a target."""

    place: Place
    kept: Mapping[str, Wanted]
    table: RepositoriesTable
    _known: set[str] = field(default_factory=set)
    _locks: dict[str, threading.Lock] = field(default_factory=dict)

    def have(self, name: str) -> None:
        """Create a missing repository, if the registry does not do so on a push."""
        if self.place.api is not Api.ECR:
            return
        from buildkit.ecr.repositories import Repositories  # noqa: PLC0415 - boto3 loads slowly

        with self._locks.setdefault(name, threading.Lock()):
            if name not in self._known:
                lone = wanted.repository(name, self.table, tags=(), aliases=())
                if Repositories(place=self.place).ensure(self.kept.get(name) or lone):
                    console.say(f"created repository {self.place.host}/{name}")
                self._known.add(name)


def _login(place: Place) -> Callable[[], Login | None]:
    """For ECR, a fresh login at each call; for another registry, the one that docker has."""
    if place.api is Api.NONE:
        return lambda: docker_config.of(place.host)
    from buildkit.ecr import api  # noqa: PLC0415 - boto3 loads slowly

    return lambda: api.login(place)
