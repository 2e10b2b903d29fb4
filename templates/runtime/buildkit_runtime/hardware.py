"""How many CPUs, GPUs and Neuron cores this container may use."""

from __future__ import annotations

import json
import math
import os
import subprocess
from pathlib import Path

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_UNLIMITED_BYTES = 2**60
# With a broken driver the vendor's tool may hang; a job without a count is better than none.
_TOOL_SECONDS = 20


def count_cpus(cgroup_root: Path = _CGROUP_ROOT) -> int:
    """The CPUs of this process, limited by the container's quota (SERVE-20)."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limits = [available or 1]
    quota = cpu_quota(cgroup_root)
    if quota is not None:
        limits.append(max(1, math.ceil(quota)))
    return min(limits)


def cpu_quota(cgroup_root: Path) -> float | None:
    """The container's quota in CPUs, from cgroup v2 or v1; None if unlimited."""
    fields = _words(cgroup_root / "cpu.max")
    if not fields:
        folder = cgroup_root / "cpu"
        fields = _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
    try:
        quota, period = (int(field) for field in fields)
    except ValueError:
        # "max" in v2, or no such files: no limit.
        return None
    return quota / period if quota > 0 and period > 0 else None


def free_memory(cgroup_root: Path = _CGROUP_ROOT) -> int | None:
    """Bytes that the container may still use, from cgroup v2 or v1; None if unlimited.

    Cached files count as free: the kernel can drop them at once.
    """
    for folder, limit, used, cached in (
        (cgroup_root, "memory.max", "memory.current", "inactive_file"),
        (
            cgroup_root / "memory",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        ),
    ):
        words = _words(folder / "memory.stat")
        stat = dict(zip(words[::2], words[1::2]))
        try:
            (most,), (now,) = _words(folder / limit), _words(folder / used)
            free = int(most) - int(now) + int(stat.get(cached, 0))
        except ValueError:
            # "max" in v2, or no such files.
            continue
        # In v1, a huge number means no limit.
        return free if int(most) < _UNLIMITED_BYTES else None
    return None


def count_gpus() -> int:
    """The number of GPUs that `nvidia-smi --list-gpus` lists (TTK-08)."""
    lines = _output(["nvidia-smi", "--list-gpus"]).splitlines()
    return sum(line.startswith("GPU ") for line in lines)


def has_gpu(devices: Path = Path("/dev")) -> bool:
    """Whether the driver has a device file for a GPU: faster than NVIDIA's tool."""
    return any(devices.glob("nvidia[0-9]*"))


def count_neuron_cores() -> int:
    """The number of cores of all devices that `neuron-ls` lists."""
    try:
        devices = json.loads(_output(["neuron-ls", "-j"]) or "[]")
        return sum(int(device["nc_count"]) for device in devices)
    except (ValueError, TypeError, KeyError):
        return 0


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return []


def _output(command: list[str]) -> str:
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_TOOL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.decode("utf-8", "replace") if result.returncode == 0 else ""
