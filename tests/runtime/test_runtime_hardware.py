from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from buildkit_runtime.hardware import count_cpus, cpu_quota, free_memory, has_gpu

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        pytest.param({"cpu.max": "150000 100000\n"}, 1.5, id="v2"),
        pytest.param({"cpu.max": "max 100000\n"}, None, id="v2 without a limit"),
        pytest.param(
            {"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2.0, id="v1"
        ),
        pytest.param(
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            None,
            id="v1 without a limit",
        ),
        pytest.param({}, None, id="no cgroups"),
    ],
)
def test_the_quota_of_the_container(
    tmp_path: Path, files: dict[str, str], quota: float | None
) -> None:
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert cpu_quota(tmp_path) == quota


def test_part_of_a_cpu_counts_as_one_and_no_limit_as_all(tmp_path: Path) -> None:
    assert count_cpus(tmp_path) == len(os.sched_getaffinity(0))
    (tmp_path / "cpu.max").write_text("10000 100000")
    assert count_cpus(tmp_path) == 1


STAT = "anon 1\ninactive_file 30\n"


@pytest.mark.parametrize(
    ("files", "free"),
    [
        pytest.param(
            {"memory.max": "100\n", "memory.current": "60\n", "memory.stat": STAT}, 70, id="v2"
        ),
        pytest.param({"memory.max": "max\n", "memory.current": "60\n"}, None, id="v2, no limit"),
        pytest.param(
            {
                "memory/memory.limit_in_bytes": "100\n",
                "memory/memory.usage_in_bytes": "60\n",
                "memory/memory.stat": "total_inactive_file 5\n",
            },
            45,
            id="v1",
        ),
        pytest.param(
            {
                "memory/memory.limit_in_bytes": f"{2**63 - 4096}\n",
                "memory/memory.usage_in_bytes": "60\n",
            },
            None,
            id="v1, no limit",
        ),
        pytest.param({}, None, id="no cgroups"),
    ],
)
def test_the_memory_that_is_left(tmp_path: Path, files: dict[str, str], free: int | None) -> None:
    (tmp_path / "memory").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert free_memory(tmp_path) == free


def test_a_gpu_is_known_by_its_device(tmp_path: Path) -> None:
    (tmp_path / "nvidiactl").touch()
    assert not has_gpu(tmp_path)
    (tmp_path / "nvidia3").touch()
    assert has_gpu(tmp_path)
