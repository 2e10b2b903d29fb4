"""What every command starts with: the project's targets, its records, its registry."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from buildkit import config, console, ecr, matrix, records, registry, shell
from buildkit.publish import Publisher
from buildkit.push import DockerPusher

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from buildkit.engine import Engine
    from buildkit.model import Published, Target, Verified


@dataclass(frozen=True, kw_only=True)
class Project:
    """images.toml, expanded, and where its records are."""

    config: config.Config
    targets: tuple[Target, ...]
    records: records.Records

    def select(self, patterns: Sequence[str]) -> tuple[Target, ...]:
        return matrix.select(self.targets, patterns)


def project(file: Path, dist: Path | None) -> Project:
    """Read images.toml. Raises ConfigError."""
    read = config.read(file)
    return Project(
        config=read,
        targets=matrix.expand(read),
        records=records.Records(folder=dist or read.folder / "dist"),
    )


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Publishes to one registry.

    Each image gets a fresh login: a token may end while others are built.
    """

    place: ecr.Place
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


def delivery(the_project: Project, host: str | None, engine: Engine) -> Delivery:
    """Raises UsageError if no registry is named, ToolError if it gives or takes no login."""
    place = ecr.place(the_project.config.registry, host)
    made = Delivery(place=place, engine=engine)
    made.check()
    return made


def interrupt(engine: Engine) -> None:
    """End what is running: processes first, then this run's containers and volumes."""
    shell.end_all()
    engine.close()
