"""What runs leave in an engine: found by labels, removed, or named with the command for that."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
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
"""The repository of the names that images have while the run that has built them is at work. An
image has no labels of a run: they would be part of it."""
NAMES = "--format '{{.Repository}}:{{.Tag}}' | xargs -r docker image rm"
SIDE_BY_SIDE = 8
"""Removals at a time: an engine spends most of one waiting for the kernel."""
CALL_SECONDS = 60
"""An engine that takes longer to answer one call of a sweep hangs."""
STUCK_SECONDS = 60
"""When nothing has gone for so long, nothing will."""
LOOK_SECONDS = 0.2
"""Between two looks at what is still there."""
SSH = 22


@dataclass(frozen=True, kw_only=True)
class Left:
    """Names of what is in an engine."""

    containers: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, (self.containers, self.volumes, self.networks, self.images)))

    @property
    def commands(self) -> tuple[str, ...]:
        """What removes them, in an order that works."""
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
    """The names of images that runs hold, each with what would be the labels of its run."""
    filters: dict[str, Any] = {"reference": f"{HELD}:*"}
    for image in client.api.images(filters=filters):
        for name in image["RepoTags"] or ():
            repository, _, tag = name.partition(":")
            parts = tag.split(".")
            if repository == HELD and len(parts) == 4:  # noqa: PLR2004 - as `Sweeper.name` makes it
                machine, process, run, _ = parts
                yield name, (f"{OWNER}={machine}/{process}", f"{RUN}={run}")


def sweep(client: docker.DockerClient, label: str, patience: float = STUCK_SECONDS) -> Left:
    """Remove everything with a label; what stays, when nothing goes for a while.

    Containers are killed, whatever state they are in. Others may be removing the same things.
    Raises one of FAILURES if the engine does not answer.
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
    for names, remove in kinds:  # one after the other: containers hold all the others

        def attempt(name: str, remove: Callable[[str], None] = remove) -> None:
            with suppress(*FAILURES):
                remove(name)

        with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
            list(pool.map(attempt, names))


def sweep_the_dead(client: docker.DockerClient) -> None:
    """Remove what a run left that was killed before it could. What cannot go is left alone."""
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
    """Sweeps what a run has in one engine, through a client of its own.

    `connect` makes it, with a limit in seconds for each call. `used` is set once something of the
    run may be there.
    """

    connect: Callable[[int], docker.DockerClient]
    endpoint: str
    run: str
    used: Event = field(default_factory=Event)
    _left: Left | None = field(default_factory=Left)

    def labels(self) -> dict[str, str]:
        """Of something of the run that is about to be there."""
        self.used.set()
        return {RUN: self.run, OWNER: owner()}

    def name(self, number: int) -> str:
        """Of an image that is about to be built: nobody else's, as long as the run lasts."""
        self.used.set()
        return f"{HELD}:{owner().replace('/', '.')}.{self.run}.{number}"

    def sweep(self, *, last: bool) -> bool:
        """False if the engine does not answer, and has something of this run."""
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
        """The end of a run that nobody interrupts."""
        if not stopping.is_asked():
            self.sweep(last=True)
            for line in self.left():
                console.say(line, fg="yellow")

    def left(self) -> tuple[str, ...]:
        """The commands that remove what is left, under a line that says so; empty if nothing is."""
        if self._left is None:
            only = f"--filter label={self._label}"
            return (
                f"the engine at {self.endpoint} does not answer; what this run has left there is",
                "removed by the next run, or by these commands, when it answers again:",
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
        """Whether the engine may be making something of this run at this address of a socket."""
        if not self.used.is_set():
            return False
        where = urlparse(self.endpoint)
        if isinstance(peer, tuple):
            return bool(peer[1] == (where.port or SSH))
        return peer == where.path

    @property
    def _label(self) -> str:
        return f"{RUN}={self.run}"
