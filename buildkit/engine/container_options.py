"""What docker-py is given to create a container: bounded in every way, and labelled by the engine.

Files travel as archives, never as bind mounts: the engine may be on another machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docker.types import LogConfig, Mount, Ulimit

from buildkit.engine import limits
from buildkit.engine.containers import MOUNTED

if TYPE_CHECKING:
    from buildkit.contract.engine import Start

CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETUID", "SETGID", "SETPCAP", "SETFCAP", "KILL",
    "NET_BIND_SERVICE", "SYS_CHROOT", "AUDIT_WRITE",
)  # fmt: skip
"""Docker's defaults without MKNOD and NET_RAW: no image may rely on more (IMG-04)."""
NO_NEW_PRIVILEGES = ["no-new-privileges"]
"""No program of an image gains rights after its start (setuid, file capabilities)."""


def of_start(start: Start) -> dict[str, Any]:
    """What a test asks for, its networks left out."""
    entrypoint = start.entrypoint
    return {
        "entrypoint": None if entrypoint is None else list(entrypoint),
        "command": list(start.command),
        "environment": dict(start.environment),
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
        "read_only": start.read_only,
        "tty": start.terminal,
        "stdin_open": start.terminal or start.input,
        "tmpfs": dict.fromkeys(start.scratch, "size=512m,mode=1777,exec"),
        "nano_cpus": None if start.cpus is None else int(start.cpus * 1e9),
        "user": start.user,
        "ipc_mode": None if start.shared_memory else "none",
    }


def bounds(*, memory: int, file_size: int) -> dict[str, Any]:
    """What no container may exceed. `memory` and `file_size`, that of its largest file, in bytes.

    A container's disk use has no option: see `limits`.
    """
    return {
        "log_config": LogConfig(
            type=LogConfig.types.JSON, config={"max-size": "5m", "max-file": "2"}
        ),
        "cap_drop": ["ALL"],
        "cap_add": list(CAPABILITIES),
        "security_opt": NO_NEW_PRIVILEGES,
        "mem_limit": memory,
        "memswap_limit": memory,
        "pids_limit": limits.PROCESSES,
        "cpu_shares": limits.CPU_SHARES,
        "ulimits": [Ulimit(name="fsize", soft=file_size, hard=file_size)],
    }


def of_reader(folder: str) -> dict[str, Any]:
    """A container that never starts, with one folder of the engine's machine, read-only."""
    return {
        "command": ["never"],
        "mounts": [Mount(target=MOUNTED, source=folder, type="bind", read_only=True)],
        "network_mode": "none",
        "security_opt": NO_NEW_PRIVILEGES,
    }
