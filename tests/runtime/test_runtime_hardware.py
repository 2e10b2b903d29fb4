from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from buildkit_runtime.hardware import count_cpus, cpu_quota

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
