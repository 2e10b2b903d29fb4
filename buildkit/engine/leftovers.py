"""What runs leave in an engine: found by label, then removed, or listed with commands."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import count
from threading import Event
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from buildkit.engine.calls import FAILURES
from buildkit.system import console, stopping
from buildkit.system.processes import is_gone, owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

RUN = "buildkit.run"
OWNER = "buildkit.owner"
HELD = "buildkit-build"
"""The repository of the names that images have during the run that builds them. An image has no
label of a run: that would be part of the image."""
NAMES = "--format '{{.Repository}}:{{.Tag}}' | xargs -r docker image rm"
SIDE_BY_SIDE = 8
"""Removals in parallel: an engine spends most of the time waiting for the kernel."""
CALL_SECONDS = 60
"""An engine that takes longer to answer one call of a sweep hangs."""
STUCK_SECONDS = 60
"""When nothing was removed for this long, the rest cannot be removed."""
LOOK_SECONDS = 0.2
"""Between two checks of what is left."""
SSH = 22


@dataclass(frozen=True, kw_only=True)
class Left:
    """Names of containers, volumes, networks and images in an engine."""

    containers: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, (self.containers, self.volumes, self.networks, self.images)))

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that remove all, in an order that works."""
        return tuple(
            f"{command} {' '.join(names)}"
            for command, names in (
                ("docker rm --force --volumes", self.containers),
                ("docker volume rm --force", self.volumes),
                ("docker network rm", self.networks),
                ("docker image rm", self.images),
            )
            if names
        )


def find(client: docker.DockerClient, label: str) -> Left:
    """Everything with a label. Raises one of FAILURES."""
    mine: dict[str, Any] = {"label": label}
    api = client.api
    return Left(
        containers=tuple(each["Id"] for each in api.containers(all=True, filters=mine)),
        volumes=tuple(each["Name"] for each in api.volumes(filters=mine)["Volumes"] or ()),
        networks=tuple(each["Id"] for each in api.networks(filters=mine)),
        images=tuple(name for name, labels in _held(client) if label in labels),
    )


def _held(client: docker.DockerClient) -> Iterator[tuple[str, tuple[str, str]]]:
    """The names under which runs keep images, each with the labels that its run has."""
    filters: dict[str, Any] = {"reference": f"{HELD}:*"}
    for image in client.api.images(filters=filters):
        for name in image["RepoTags"] or ():
            repository, _, tag = name.partition(":")
            parts = tag.split(".")
            if repository == HELD and len(parts) == 4:  # noqa: PLR2004 - as `Sweeper.name` makes it
                machine, process, run, _ = parts
                yield name, (f"{OWNER}={machine}/{process}", f"{RUN}={run}")


def sweep(client: docker.DockerClient, label: str, patience: float = STUCK_SECONDS) -> Left:
    """Remove everything with a label, and return what cannot be removed within `patience` seconds.

    Containers are killed, whatever their state. Other processes may remove the same things at the
    same time. Raises one of FAILURES if the engine does not answer.
    """
    left = find(client, label)
    moved = time.monotonic()
    while left:
        _remove(client, left)
        now = find(client, label)
        if len(now) < len(left):
            moved = time.monotonic()
        elif time.monotonic() - moved >= patience:
            break
        else:
            time.sleep(LOOK_SECONDS)
        left = now
    return left


def _remove(client: docker.DockerClient, left: Left) -> None:
    api = client.api
    kinds: tuple[tuple[tuple[str, ...], Callable[[str], None]], ...] = (
        (left.containers, lambda name: api.remove_container(name, v=True, force=True)),
        (left.volumes, lambda name: api.remove_volume(name, force=True)),
        (left.networks, api.remove_network),
        (left.images, api.remove_image),
    )
    for names, remove in kinds:  # in this order: containers use all the others

        def attempt(name: str, remove: Callable[[str], None] = remove) -> None:
            with suppress(*FAILURES):
                remove(name)

        with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
            list(pool.map(attempt, names))


def sweep_the_dead(client: docker.DockerClient) -> None:
    """Remove what killed runs have left, as far as the engine allows."""
    everything: dict[str, Any] = {"label": OWNER}
    with suppress(*FAILURES):
        things = [
            *client.api.containers(all=True, filters=everything),
            *(client.api.volumes(filters=everything)["Volumes"] or ()),
            *client.api.networks(filters=everything),
        ]
        owners = {thing["Labels"][OWNER] for thing in things}
        owners |= {label.removeprefix(f"{OWNER}=") for _, (label, _) in _held(client)}
        for label in owners:
            if is_gone(label):
                sweep(client, f"{OWNER}={label}", patience=0)


@dataclass(kw_only=True)
class Sweeper:
    """Removes what a run has in one engine, through its own client.

    `connect` makes the client, with a time limit in seconds for each call. `used` is set when the
    engine may have something of the run.
    """

    connect: Callable[[int], docker.DockerClient]
    endpoint: str
    run: str
    used: Event = field(default_factory=Event)
    _left: Left | None = field(default_factory=Left)
    _numbers: count[int] = field(default_factory=count)

    def labels(self) -> dict[str, str]:
        """The labels of something that the run is about to create."""
        self.used.set()
        return {RUN: self.run, OWNER: owner()}

    def name(self) -> str:
        """A new name for an image that the run is about to build; no other run uses it."""
        self.used.set()
        return f"{HELD}:{owner().replace('/', '.')}.{self.run}.{next(self._numbers)}"

    def sweep(self, *, last: bool) -> bool:
        """False if the engine does not answer, but may have something of this run."""
        if not self.used.is_set():
            return True
        patience = STUCK_SECONDS if last else 0
        try:
            with closing(self.connect(CALL_SECONDS)) as client:
                self._left = sweep(client, self._label, patience)
        except FAILURES:
            self._left = None
        return self._left is not None

    def close(self) -> None:
        """Called at the end of a run that was not interrupted."""
        if not stopping.is_asked():
            self.sweep(last=True)
            for line in self.left():
                console.say(line, fg="yellow")

    def left(self) -> tuple[str, ...]:
        """A message with the commands that remove what is left; empty if nothing is left."""
        if self._left is None:
            only = f"--filter label={self._label}"
            return (
                f"the engine at {self.endpoint} does not answer; leftovers of this run will be",
                "removed by the next run, or by these commands once the engine answers again:",
                f"  docker ps --all --quiet {only} | xargs -r docker rm --force --volumes",
                f"  docker volume ls --quiet {only} | xargs -r docker volume rm --force",
                f"  docker network ls --quiet {only} | xargs -r docker network rm",
                f"  docker image ls --filter 'reference={HELD}:*.{self.run}.*' {NAMES}",
            )
        if self._left:
            commands = (f"  {each}" for each in self._left.commands)
            return (f"the engine at {self.endpoint} could not remove everything:", *commands)
        return ()

    def is_at(self, peer: object) -> bool:
        """Whether a socket with this peer may be a call to the engine on behalf of this run."""
        if not self.used.is_set():
            return False
        where = urlparse(self.endpoint)
        if isinstance(peer, tuple):
            return bool(peer[1] == (where.port or SSH))
        return peer == where.path

    @property
    def _label(self) -> str:
        return f"{RUN}={self.run}"
