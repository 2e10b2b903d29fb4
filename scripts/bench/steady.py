"""Check that the contract suite reaches the same verdicts on a busy machine.

`scripts/bench/steady.py TARGET…` tests built targets repeatedly beside busy processes, and prints
the verdicts that differ between runs. Exits with 1 if any differs, or if a target fails.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILDKIT = Path(sys.executable).with_name("buildkit")
BUSY = "while True: pass"


@click.command()
@click.argument("targets", nargs=-1, required=True)
@click.option("--runs", default=20, show_default=True)
@click.option("--busy", default=4, show_default=True, help="Processes that only compute.")
@click.option("--profile", default="smoke", type=click.Choice(["smoke", "full"]))
@click.option("--file", default="images.toml", show_default=True)
def main(targets: tuple[str, ...], runs: int, busy: int, profile: str, file: str) -> None:
    """Test TARGETS repeatedly beside busy processes."""
    differences = 0
    with processes(busy):
        for target in targets:
            verdicts, seconds = [], []
            for _ in range(runs):
                began = time.monotonic()
                verdicts.append(verdict(target, profile, file))
                seconds.append(time.monotonic() - began)
            differences += compare(f"{target} {profile}", verdicts, seconds)
    sys.exit(1 if differences else 0)


@contextmanager
def processes(number: int) -> Iterator[None]:
    started = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(number)]
    try:
        yield
    finally:
        for each in started:
            each.kill()
            each.wait()


def verdict(target: str, profile: str, file: str) -> dict[str, tuple[str, str]]:
    """Status and message of each clause."""
    done = subprocess.run(
        [BUILDKIT, "test", target, "--file", file, "--profile", profile, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    (found,) = json.loads(done.stdout)["targets"]
    return {each["id"]: (each["status"], each["message"]) for each in found["report"]["clauses"]}


def compare(name: str, verdicts: list[dict[str, tuple[str, str]]], seconds: list[float]) -> int:
    """Print verdicts that differ from the most frequent one; return their number, plus failures."""
    wrong = 0
    for id_ in sorted({id_ for each in verdicts for id_ in each}):
        found = [each.get(id_, ("missing", "")) for each in verdicts]
        usual = statistics.mode(status for status, _ in found)
        for status, message in found:
            if status != usual or status in ("fail", "warn"):
                wrong += 1
                print(f"  {id_}: {status}, mostly {usual}: {message[:300]}")
    print(
        f"{name}: {len(verdicts)} runs, {wrong} odd verdicts; {min(seconds):.1f} to "
        f"{max(seconds):.1f} s, median {statistics.median(seconds):.1f} s",
        flush=True,
    )
    return wrong


if __name__ == "__main__":
    main()
