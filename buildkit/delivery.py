"""Deliver tested images to registries: their logins, their repositories, their bytes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from buildkit import console, ecr, ecr_repositories, logins, moving, places, scratch, stock
from buildkit.export import Spool
from buildkit.moving import Moves
from buildkit.places import Api
from buildkit.publish import Destination, Publisher
from buildkit.registry.client import Registry
from buildkit.registry.wire import Wire
from buildkit.transfer import Transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from buildkit.config import Config
    from buildkit.engine import Engine
    from buildkit.model import Login, Published, Target, Verified
    from buildkit.places import Place
    from buildkit.repositories import Wanted


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Publishes to some registries; `interrupt` ends what it waits for."""

    publisher: Publisher
    registries: Sequence[Registry]

    def publish(self, verified: Verified) -> Published:
        return self.publisher.publish(verified)

    def move_aliases(self, targets: Sequence[Target], published: Sequence[Published]) -> Moves:
        """Have all aliases of the targets where they belong, if every exact tag of them is in."""
        if lacking := len(targets) - len(published):
            if any(target.family for target in targets):
                console.say(f"aliases stay: {lacking} of {len(targets)} targets are not published")
            return Moves()
        return moving.move(self.registries, targets, lambda _host, _repository: {})

    def interrupt(self) -> None:
        for each in self.registries:
            each.interrupt()


@contextmanager
def to(
    config: Config, hosts: Sequence[str], targets: Sequence[Target], engine: Engine
) -> Iterator[Delivery]:
    """Have logins that the registries take, before anything is built.

    `targets` are all of images.toml: what a repository should be depends on all that it holds.
    Raises UsageError if no registry is named, ConfigError if ECR could not keep a repository so,
    ToolError if a registry gives or takes no login.
    """
    found = places.places(config.registry, hosts)
    ours = any(each.api is Api.ECR for each in found)
    kept = {each.name: each for each in stock.wanted(config, targets)} if ours else {}
    registries = [Registry(wire=Wire(host=each.host, login=_login(each))) for each in found]
    with ThreadPoolExecutor(max_workers=len(registries)) as pool:
        list(pool.map(Registry.check, registries))
    sisters = tuple(dict.fromkeys(target.repository for target in targets))
    with scratch.folder() as folder:
        yield Delivery(
            publisher=Publisher(
                destinations=[
                    Destination(
                        registry=registry,
                        carrier=Transfer(registry=registry, sisters=sisters),
                        have_repository=_Repositories(place=place, kept=kept).have,
                        mutable=config.registry.repositories.mutability == "mutable",
                    )
                    for place, registry in zip(found, registries, strict=True)
                ],
                packer=Spool(engine=engine, folder=folder),
            ),
            registries=registries,
        )


@dataclass(kw_only=True)
class _Repositories:
    """Those of one registry that are known to be there."""

    place: Place
    kept: Mapping[str, Wanted]
    _known: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def have(self, name: str) -> None:
        """Create a repository that is missing, where registries do not do that by themselves."""
        if self.place.api is not Api.ECR:
            return
        with self._lock:
            if name not in self._known:
                if ecr_repositories.ensure(self.place, self.kept[name]):
                    console.say(f"created the repository {self.place.host}/{name}")
                self._known.add(name)


def _login(place: Place) -> Callable[[], Login | None]:
    """ECR's own, fresh at each call; of another registry the one that docker has."""
    if place.api is Api.NONE:
        return lambda: logins.of(place.host)
    return lambda: ecr.login(place)
