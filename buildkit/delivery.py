"""Deliver tested images to one registry: its login, its repositories, one push after another."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from buildkit import console, ecr, ecr_repositories, places, registry, stock
from buildkit.publish import Publisher
from buildkit.push import DockerPusher

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildkit.config import Config
    from buildkit.engine import Engine
    from buildkit.model import Published, Target, Verified
    from buildkit.repositories import Wanted


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Publishes to one registry.

    Each image gets a fresh login: a token may end while others are built.
    """

    place: places.Place
    engine: Engine
    repositories: Mapping[str, Wanted]
    _known: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self) -> None:
        """Fail now rather than after the builds. Raises ToolError."""
        registry.Registry(host=self.place.host, login=ecr.login(self.place)).check()

    def publish(self, verified: Verified) -> Published:
        repository = verified.built.target.repository
        with self._lock:
            if repository not in self._known:
                if ecr_repositories.ensure(self.place, self.repositories[repository]):
                    console.say(f"created the repository {repository}")
                self._known.add(repository)
        login = ecr.login(self.place)
        publisher = Publisher(
            registry=registry.Registry(host=self.place.host, login=login),
            pusher=DockerPusher(engine=self.engine, host=self.place.host, login=login),
        )
        return publisher.publish(verified)


def to(config: Config, targets: Sequence[Target], host: str | None, engine: Engine) -> Delivery:
    """`targets` are all of images.toml: what a repository should be depends on all that it holds.

    Raises UsageError if no registry is named, ConfigError if ECR could not keep a repository so,
    ToolError if the registry gives or takes no login.
    """
    (place,) = places.places(config.registry, [host] if host else [])
    kept = {each.name: each for each in stock.wanted(config, targets)}
    made = Delivery(place=place, engine=engine, repositories=kept)
    made.check()
    return made
