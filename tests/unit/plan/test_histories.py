"""A skip is as safe as a build: random histories of a project, each compared with builds from scratch."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from buildkit.plan import identity
from buildkit.render import inputs
from tests.support.thorough import THOROUGH
from tests.unit.plan.steps import Steps
from tests.unit.plan.world import NeedlessError, WrongSkipError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CORPUS = tuple(
    line
    for line in (Path(__file__).parent / "histories.txt").read_text().splitlines()
    if line and not line.startswith("#")
)

COUNT = 500 if THOROUGH else 40
ENOUGH = 500
"""Histories that find any input that is left out."""


def numbered(most: int, *verbs: str) -> list[str]:
    return [f"{verb} {number}" for verb in verbs for number in range(most + 1)]


EDITS = (
    *numbered(1, "file train", "file lib/a.py", "file note.log", "file Data/x", "new", "empty"),
    *numbered(1, "rename", "link", "runtime", "template", "macro", "include", "tool", "platform"),
    *numbered(1, "packages", "args", "labels", "base", "own-lock", "revision"),
    *numbered(1, "program algo/train", "program templates/runtime/run.py", "mutable"),
    *numbered(3, "ignore", "wheels"),
    *numbered(2, "wheel"),
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
    *["run push"] * 20, *["run tests"] * 10, *["run both"] * 8, *["run stage"] * 3,
    *["run force", "run no-cache", "run retest"] * 2,
    *(f"run kill {n}" for n in (*range(1, 60, 6), "ledger")),
)  # fmt: skip
STARTS = ("mutable 0", "mutable 1", "lock 0", "own-lock 1", "wheels 1", "pull 1")
CHANGES = st.one_of(*map(st.sampled_from, (EDITS, EDITS, HARMLESS, DAMAGE)))
TURN = st.tuples(st.lists(CHANGES, max_size=3), st.sampled_from(RUNS))
HISTORIES = st.builds(
    lambda start, turns: [start, *(step for changes, run in turns for step in (*changes, run))],
    st.sampled_from(STARTS),
    st.lists(TURN, min_size=2, max_size=7 if THOROUGH else 4),
)


def ran(history: Sequence[str]) -> Steps:
    """The world after these steps."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.delenv("SOURCE_DATE_EPOCH", raising=False)
        world = Steps(folder=Path(folder))
        for step in history:
            world.step(step)
        return world


def drawn(
    check: Callable[[list[str]], None], count: int, number: int, *, shrink: bool = True
) -> None:
    """Check random histories, the same in each run, up to the first that is wrong."""
    many = settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=(Phase.generate, *([Phase.shrink] if shrink else [])),
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow],
    )
    seed(number)(many(given(HISTORIES)(check)))()


@pytest.mark.parametrize("history", CORPUS)
def test_a_history_that_was_wrong_once(history: str) -> None:
    ran(history.split("; "))


@pytest.mark.parametrize("number", range(4 if THOROUGH else 1))
def test_no_history_leads_to_a_wrong_skip(number: int) -> None:
    ends: Counter[str] = Counter()
    drawn(lambda history: ends.update(ran(history).ends), COUNT, number)
    assert ends["published"] + ends["tested"] > COUNT
    assert ends["failed"] + ends["refused"] > 0


class Forgetful:
    """The module `json` for a digest that leaves some inputs out."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def dumps(self, value: object) -> str:
        if isinstance(value, dict):
            value = {key: each for key, each in value.items() if key not in self.keys}
        return json.dumps(value)


PLANTED = (
    ("dockerfile", "run push; template 1; run push"),
    ("platform", "run push; platform 1; run push"),
    ("context", "run push; program algo/train 1; run push"),
    ("runtime", "run push; runtime 1; run push"),
    ("lock", "lock 0; run push; hashes 1; run push"),
    ("base", "run push; moved 1; run push"),
    ("wheels", "wheels 1; run push; wheel 2; run push"),
    ("epoch", "run push; epoch 1; run push"),
    ("output", "run push; output 1; run push"),
    ("making", "run push; making 1; run push"),
    ("args dockerfile", "run push; args 1; run push"),  # the Dockerfile has the arguments, too
)


@pytest.mark.parametrize(("keys", "history"), PLANTED)
def test_an_input_that_is_left_out_is_found(
    keys: str, history: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (inputs, identity):
        monkeypatch.setattr(module, "json", Forgetful(*keys.split()))
    with pytest.raises(WrongSkipError):
        ran(history.split("; "))


if THOROUGH:  # it takes minutes

    @pytest.mark.parametrize("number", range(3))
    @pytest.mark.parametrize("keys", [keys for keys, _ in PLANTED])
    def test_random_histories_find_an_input_that_is_left_out(
        keys: str, number: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (inputs, identity):
            monkeypatch.setattr(module, "json", Forgetful(*keys.split()))

        def check(history: list[str]) -> None:
            with suppress(NeedlessError):
                ran(history)

        with pytest.raises(WrongSkipError):
            drawn(check, ENOUGH, number, shrink=False)
