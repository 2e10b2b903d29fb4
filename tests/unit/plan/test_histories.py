"""A skip is as safe as a build: random histories of a project, each compared with builds from scratch."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.support.thorough import THOROUGH
from tests.unit.plan.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

CORPUS = tuple(
    line
    for line in (Path(__file__).parent / "histories.txt").read_text().splitlines()
    if line and not line.startswith("#")
)


def numbered(most: int, *verbs: str) -> list[str]:
    return [f"{verb} {number}" for verb in verbs for number in range(most + 1)]


EDITS = (
    *numbered(1, "file train", "file lib/a.py", "file note.log", "file Data/x", "new", "empty"),
    *numbered(1, "rename", "link", "runtime", "template", "macro", "include", "tool", "platform"),
    *numbered(1, "packages", "args", "labels", "base", "own-lock", "revision"),
    *numbered(1, "program algo/train", "program templates/runtime/run.py", "mutable"),
    *numbered(3, "ignore", "wheels"), *numbered(2, "wheel"),
    *numbered(2, "epoch", "lock", "pins", "hashes"),
    *numbered(1, "moved", "output", "making", "branch", "samples", "hyperparameters", "suite"),
    "unlock",
)
HARMLESS = (
    *numbered(1, "touch", "modes", "clock", "version"),
    "move", "fresh", "cache gone", "cache cut",
)  # fmt: skip
DAMAGE = (
    "prune", "unname", "classic", "up", *numbered(1, "pull", "archived"),
    *(f"down {host}" for host in ("one.example", "two.example", "bases.example")),
    *(f"untag {host}" for host in ("one.example", "two.example")),
    *(f"retag {host} {n}" for host in ("one.example", "two.example") for n in range(4)),
    *(f"dist {how}" for how in ("keep", "gone", "old")),
    *(f"record {name} {how}" for name in ("built", "verified") for how in ("cut", "edit", "swap")),
    *(f"ledger {how}" for how in ("gone", "half", "digests", "identities", "inputs")),
    "meanwhile file train 1", "meanwhile runtime 1", "meanwhile moved 1", "meanwhile wheel 2",
)  # fmt: skip
RUNS = (
    *["run push"] * 6, *["run tests"] * 4, *["run both"] * 3, "run stage", "run force",
    "run no-cache", "run retest", *(f"run kill {n}" for n in range(1, 60, 4)),
)  # fmt: skip
STARTS = ("mutable 0", "mutable 1", "lock 0", "own-lock 1", "wheels 1", "pull 1")
CHANGES = st.one_of(*map(st.sampled_from, (EDITS, EDITS, HARMLESS, DAMAGE)))
TURN = st.tuples(st.lists(CHANGES, max_size=3), st.sampled_from(RUNS))
HISTORIES = st.builds(
    lambda start, turns: [start, *(step for changes, run in turns for step in (*changes, run))],
    st.sampled_from(STARTS),
    st.lists(TURN, min_size=2, max_size=7 if THOROUGH else 4),
)


def ran(history: Sequence[str]) -> World:
    """The world after these steps."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.delenv("SOURCE_DATE_EPOCH", raising=False)
        world = World(folder=Path(folder))
        for step in history:
            world.step(step)
        return world


@pytest.mark.parametrize("history", CORPUS)
def test_a_history_that_was_wrong_once(history: str) -> None:
    ran(history.split("; "))


COUNT = 2000 if THOROUGH else 60


def test_no_history_leads_to_a_wrong_skip() -> None:
    ends: Counter[str] = Counter()

    @seed(18)
    @settings(
        max_examples=COUNT,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(HISTORIES)
    def check(history: list[str]) -> None:
        ends.update(ran(history).ends)

    check()
    print(ends)
    assert ends["published"] > COUNT
