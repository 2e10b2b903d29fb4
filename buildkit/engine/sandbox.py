"""Where images under test run: containers, volumes and networks of one run, bounded and labelled.

Every one of them carries the run's label, so that an interrupted run can sweep what it has left,
and a later run what a killed one has left. Files travel as archives, never as bind mounts: the
engine may be on another machine.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from docker.types import DeviceRequest, LogConfig, Mount, Ulimit

from buildkit.engine import limits
from buildkit.engine.calls import FAILURES, translated
from buildkit.engine.containers import Container, of_image
from buildkit.engine.holder import HELD, Holder
from buildkit.engine.networks import Kind, Networks
from buildkit.system import stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker
    from typing_extensions import Self

    from buildkit.contract.engine import Start
CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETUID", "SETGID", "SETPCAP", "SETFCAP", "KILL",
    "NET_BIND_SERVICE", "SYS_CHROOT", "AUDIT_WRITE",
)  # fmt: skip
"""Docker's own set without MKNOD and NET_RAW: nothing more may be expected (IMG-04)."""
NO_NEW_PRIVILEGES = ["no-new-privileges"]
"""No program of an image gets more rights than it was started with (setuid, file capabilities)."""


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """Fits `contract.world.Engine`, but for its images.

    `memory` is how many bytes of it one container may have. `local`: the engine runs on this
    machine's own kernel, so the addresses of its networks are reached from here. `gpus`: it can
    give GPUs to containers. `labels` are of something that is about to be there. `outside`:
    containers have the engine's own network, and not one of the run that leads nowhere.
    """

    client: docker.DockerClient
    endpoint: str
    labels: Callable[[], dict[str, str]]
    memory: int
    local: bool
    gpus: bool
    guard: limits.Guard
    networks: Networks
    outside: bool = False

    def connected(self, *, outside: bool) -> Self:
        """The same engine, whose containers reach what is outside, or nothing."""
        return replace(self, outside=outside)

    @contextmanager
    def volume(self) -> Iterator[str]:
        with translated("creating a volume"):
            volume = self.client.volumes.create(labels=self.labels())
        try:
            yield volume.name
        finally:
            _remove(lambda: volume.remove(force=True))

    @contextmanager
    def network(self) -> Iterator[str]:
        network = self.networks.make(None if self.outside else Kind.SEALED)
        try:
            yield network
        finally:
            _remove(lambda: self.client.api.remove_network(network))

    @contextmanager
    def container(self, image: str, start: Start) -> Iterator[Container]:
        """A container that is bounded in every way, without terminal and input (RUN-07)."""
        host = urlparse(self.endpoint).hostname or "127.0.0.1"
        with of_image(f"creating a container of `{image}`"):
            created = self.client.containers.create(
                image, **self._options(start, host), device_requests=self._devices(image)
            )
        number = str(created.id)
        self.guard.watch(number, [mount.volume for mount in start.mounts])
        try:
            with translated("connecting a container"):
                for network, names in start.networks[1:]:
                    self.client.networks.get(network).connect(created, aliases=list(names))
            yield Container(
                docker=created,
                host=host,
                bridged=self.local,
                overrun=lambda: self.guard.overrun(number),
            )
        finally:
            self.guard.forget(number)
            _remove(lambda: created.remove(force=True, v=True))

    def holder(self, image: str, folder: str) -> Holder:
        """A container that is never started, and sees a folder of the engine's machine.

        Whoever asks for one removes it. Raises ToolError if the engine does not allow that.
        """
        mount = Mount(target=HELD, source=folder, type="bind", read_only=True)
        with translated(f"mounting {folder}"):
            created = self.client.containers.create(
                image,
                command=["never"],
                labels=self.labels(),
                mounts=[mount],
                network_mode="none",
                security_opt=NO_NEW_PRIVILEGES,
            )
        return Holder(docker=created)

    def _options(self, start: Start, host: str) -> dict[str, Any]:
        memory = start.memory or self.memory
        options: dict[str, Any] = {
            "command": list(start.command),
            "environment": dict(start.environment),
            "labels": self.labels(),
            "log_config": LogConfig(
                type=LogConfig.types.JSON, config={"max-size": "5m", "max-file": "2"}
            ),
            "mounts": [
                Mount(
                    target=mount.path,
                    source=mount.volume,
                    type="volume",
                    read_only=mount.read_only,
                    no_copy=True,
                )
                for mount in start.mounts
            ],
            "cap_drop": ["ALL"],
            "cap_add": list(CAPABILITIES),
            "security_opt": NO_NEW_PRIVILEGES,
            "mem_limit": memory,
            "memswap_limit": memory,
            "pids_limit": limits.PROCESSES,
            "cpu_shares": limits.CPU_SHARES,
            "ulimits": [Ulimit(name="fsize", soft=self.guard.limit, hard=self.guard.limit)],
            "read_only": start.read_only,
            "tty": start.terminal,
            "stdin_open": start.terminal,
            "tmpfs": dict.fromkeys(start.scratch, "size=512m,mode=1777,exec"),
        }
        if start.entrypoint is not None:
            options["entrypoint"] = list(start.entrypoint)
        if start.cpus is not None:
            options["nano_cpus"] = int(start.cpus * 1e9)
        if start.user is not None:
            options["user"] = start.user
        if not start.shared_memory:
            options["ipc_mode"] = "none"
        if start.beside is not None:
            return {**options, "network_mode": f"container:{start.beside}"}
        if networks := start.networks or self._network(start):
            network, names = networks[0]
            endpoint_config = self.client.api.create_endpoint_config(aliases=list(names))
            options |= {"network": network, "networking_config": {network: endpoint_config}}
        if not self.local:
            options["ports"] = {f"{port}/tcp": (_publish_on(host), 0) for port in start.ports}
        return {**options, "hostname": start.hostname}

    def _network(self, start: Start) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The run's network for a container that names none; empty: the engine's own."""
        if self.outside:
            return ()
        served = Kind.ASKED if self.local else Kind.PUBLISHED
        return ((self.networks.of(served if start.ports else Kind.SEALED), ()),)

    def _devices(self, image: str) -> list[DeviceRequest]:
        """All GPUs for an image that asks for them as NVIDIA's container toolkit reads it."""
        if not self.gpus:
            return []
        variables = self.client.images.get(image).attrs["Config"].get("Env") or ()
        asked = any(pair.startswith("NVIDIA_VISIBLE_DEVICES=") for pair in variables)
        return [DeviceRequest(count=-1, capabilities=[["gpu"]])] if asked else []


def _remove(remove: Callable[[], None]) -> None:
    """Nothing of an interrupted run, all of which is removed at once."""
    if not stopping.is_asked():
        with suppress(*FAILURES):
            remove()


def _publish_on(host: str) -> str:
    """The address of the engine's machine at which ports are published.

    Of one elsewhere nobody here knows at which of its addresses it is reached: it may be behind
    another one, and refuses to publish at an address that it has not.
    """
    return "127.0.0.1" if host == "127.0.0.1" else "0.0.0.0"  # noqa: S104 - see above
