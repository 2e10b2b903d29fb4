"""Deliver tested images to one registry: its login, its repositories, one push after another."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from buildkit import console, ecr, places, registry
from buildkit.publish import Publisher
from buildkit.push import DockerPusher

if TYPE_CHECKING:
    from buildkit.engine import Engine
    from buildkit.model import Published, Verified
    from buildkit.schema import Registry as Options


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Publishes to one registry.

    Each image gets a fresh login: a token may end while others are built.
    """

    place: places.Place
    engine: Engine
    _known: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self) -> None:
        """Fail now rather than after the builds. Raises ToolError."""
        registry.Registry(host=self.place.host, login=ecr.login(self.place)).check()

    def publish(self, verified: Verified) -> Published:
        repository = verified.built.target.repository
        with self._lock:
            if repository not in self._known:
                if ecr.ensure_repository(self.place, repository):
                    console.say(f"created the repository {repository}")
                self._known.add(repository)
        login = ecr.login(self.place)
        publisher = Publisher(
            registry=registry.Registry(host=self.place.host, login=login),
            pusher=DockerPusher(engine=self.engine, host=self.place.host, login=login),
        )
        return publisher.publish(verified)


def to(options: Options, host: str | None, engine: Engine) -> Delivery:
    """Raises UsageError if no registry is named, ToolError if it gives or takes no login."""
    (place,) = places.places(options, [host] if host else [])
    made = Delivery(place=place, engine=engine)
    made.check()
    return made
