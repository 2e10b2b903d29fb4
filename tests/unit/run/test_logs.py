"""A log line by line: whole lines, what a progress bar shows, and nothing that commands a terminal."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from buildkit.run import logs

if TYPE_CHECKING:
    from collections.abc import Iterable


@pytest.mark.parametrize(
    ("pieces", "wanted"),
    [
        pytest.param([b"a\nb\n"], ["a", "b"], id="lines"),
        pytest.param([b"a", b"b\nc"], ["ab", "c"], id="pieces"),
        pytest.param([b"a\r\n\n"], ["a", ""], id="windows"),
        pytest.param([b" 1%\r 50%\r100%\n"], ["100%"], id="progress"),
        pytest.param([b"\x1b[31mred\x1b[0m\x1b]0;title\x07\n"], ["red"], id="colours"),
        pytest.param([b"\xff\n"], ["\ufffd"], id="bytes"),
        pytest.param(["ü".encode()[:1], "ü\n".encode()[1:]], ["ü"], id="half a letter"),
        pytest.param([b"x" * 20_000], ["x" * logs.LONGEST], id="long"),
        pytest.param([b"x" * 20_000, b"y" * 20_000, b"\nz\n"], ["x" * logs.LONGEST, "z"], id="longer"),
    ],
)  # fmt: skip
def test_lines(pieces: Iterable[bytes], wanted: list[str]) -> None:
    assert [*logs.lines(pieces)] == wanted


def test_a_progress_bar_is_shown_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece comes a second after the one before."""
    now = iter(range(100))
    clock = SimpleNamespace(monotonic=lambda: float(next(now)))
    monkeypatch.setattr("buildkit.run.logs.time", clock)
    pieces = [f"\r {percent}%".encode() for percent in range(9)]
    shown = [line.strip() for line in logs.lines([*pieces, b"\n"])]
    assert 2 < len(shown) < 9
    assert shown == sorted(shown)
