"""What a container may use, and the guard that kills one that uses more.

The kernel limits memory and processes; but a program that forks without end goes on trying, and
slows the whole machine down. No engine has a portable limit for disk: the guard checks how much a
container uses, and the kernel limits the size of each file.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from buildkit.engine.calls import FAILURES, url
from buildkit.engine.leftovers import RUN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import docker

DISK = 8 * 1024**3
"""Bytes that a container and its volumes may hold."""
PROCESSES = 1024
"""Processes and threads of a container. The guard kills one that stays close to this number."""
NEAR = 0.95
CPU_SHARES = 512
"""Half of Docker's default: other programs go first when the processor is busy."""
MEMORY_SHARE = 0.5
"""Of the engine's memory: no image can use all of it."""
LOOK_SECONDS = 2
"""Between two checks of the containers."""


@dataclass(kw_only=True)
class Guard:
    """Checks containers while there are any, and kills those that use too much disk or processes.

    `limit` is the disk space of one container with its volumes, in bytes.
    """

    client: docker.DockerClient
    run: str
    limit: int
    _volumes: dict[str, Sequence[str]] = field(default_factory=dict)
    _overruns: dict[str, str] = field(default_factory=dict)
    _crowded: frozenset[str] = frozenset()
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None
    _closed: threading.Event = field(default_factory=threading.Event)

    def close(self) -> None:
        """Stop checking."""
        self._closed.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def watch(self, container: str, volumes: Sequence[str]) -> None:
        with self._lock:
            self._volumes[container] = volumes
            if self._thread is None:
                self._thread = threading.Thread(target=self._check_repeatedly, daemon=True)
                self._thread.start()

    def forget(self, container: str) -> None:
        with self._lock:
            self._volumes.pop(container, None)

    def overrun(self, container: str) -> str:
        """Why a container was killed, empty if it was not."""
        return self._overruns.get(container, "")

    def _check_repeatedly(self) -> None:
        while not self._closed.wait(LOOK_SECONDS):
            with self._lock:
                watched = dict(self._volumes)
                if not watched:
                    self._thread = None
                    return
            with suppress(*FAILURES, ValueError, KeyError):  # the next check may work
                self._check(watched)

    def _check(self, watched: Mapping[str, Sequence[str]]) -> None:
        held = self._held_by_volumes()
        mine: dict[str, Any] = {"label": f"{RUN}={self.run}"}
        crowded = set()
        for facts in self.client.api.containers(size=True, filters=mine):
            container = facts["Id"]
            used = facts.get("SizeRw", 0)
            used += sum(held.get(volume, 0) for volume in watched.get(container, ()))
            if used > self.limit:
                self._kill(
                    container,
                    f"uses {used / 1024**3:.1f} GB of disk, the limit is "
                    f"{self.limit / 1024**3:.1f} GB",
                )
            elif self._processes(container) > NEAR * PROCESSES:
                crowded.add(container)
        for container in crowded & self._crowded:
            self._kill(container, f"runs {PROCESSES} processes, which is the limit")
        self._crowded = frozenset(crowded)

    def _kill(self, container: str, reason: str) -> None:
        self._overruns[container] = f"killed by buildkit: the container {reason}"
        self.client.api.kill(container)

    def _processes(self, container: str) -> int:
        stats: Any = self.client.api.stats(container, stream=False, one_shot=True)
        return int(stats.get("pids_stats", {}).get("current", 0))

    def _held_by_volumes(self) -> Mapping[str, int]:
        """Bytes by volume. docker-py cannot ask for volumes only, and everything takes minutes."""
        api = self.client.api
        address = url(api, "system/df")
        answer = api.get(address, params={"type": "volume"}, timeout=api.timeout)
        return {
            volume["Name"]: max(volume["UsageData"]["Size"], 0)
            for volume in answer.json()["Volumes"] or ()
            if volume.get("UsageData")
        }
