"""The private engine of `scripts/dev/engine`, beside others on the same machine."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.e2e.support.parts import Engine, engine_folder, private_engine

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.real import Local


def test_engines_that_would_choose_the_same_network(local: Local) -> None:
    """Each takes another, also when they start at once, and leaves the others' when it goes."""
    ours = private_engine(local)

    def fits(cache: Path) -> bool:
        return _first_choice(cache / "engine") == _first_choice(ours)

    engines = [Engine(cache=engine_folder(local, fits), store="containerd") for _ in range(3)]
    try:
        with ThreadPoolExecutor() as threads:
            list(threads.map(Engine.up, engines))
        networks = {_network(state) for state in (ours, *(one.state for one in engines))}
        assert len(networks) == 4
        assert {f"10.213.{network}.1" for network in networks} <= _addresses()
    finally:
        with ThreadPoolExecutor() as threads:
            list(threads.map(Engine.down, engines))
        for one in engines:
            shutil.rmtree(one.cache)
    assert f"10.213.{_network(ours)}.1" in _addresses()


def test_an_engine_whose_network_was_taken_starts_in_another(local: Local) -> None:
    """dockerd remembers the address of its bridge, and would give it to the new one."""
    first = Engine(cache=engine_folder(local), store="containerd")
    engines = [first]
    try:
        first.up()
        before = _network(first.state)
        first.stop()
        choice = f"{int(before) // 16:x}"
        folder = engine_folder(local, lambda cache: _first_choice(cache / "engine") == choice)
        engines.append(Engine(cache=folder, store="containerd"))
        engines[1].up()
        assert _network(engines[1].state) == before
        first.up()
        assert _network(first.state) != before
        assert {f"10.213.{_network(each.state)}.1" for each in engines} <= _addresses()
        first.stop()
        assert f"10.213.{_network(first.state)}.1" not in _addresses()
        assert f"10.213.{before}.1" in _addresses()
    finally:
        for one in engines:
            one.down()
            shutil.rmtree(one.cache)


def _first_choice(state: Path) -> str:
    """What `scripts/dev/engine` begins with: the last of eight digits of its folder's hash."""
    return hashlib.sha256(str(state).encode()).hexdigest()[7]


def _network(state: Path) -> str:
    return (state / "network").read_text().strip()


def _addresses() -> set[str]:
    listed = subprocess.run(
        ["ip", "-o", "-4", "address", "show", "type", "bridge"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {line.split()[3].partition("/")[0] for line in listed.stdout.splitlines()}
