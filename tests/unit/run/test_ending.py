"""Containers that end by themselves, are stopped, or have to be killed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from buildkit.run import ending
from buildkit.run.ending import Ending


@dataclass
class Fake:
    """A container that ends after some looks, or on a signal."""

    code: int = 0
    looks: int | None = 1
    heeds: tuple[str, ...] = ("SIGKILL",)
    sent: list[str] = field(default_factory=list)
    stop_signal: str = "SIGTERM"

    def wait(self, seconds: float) -> int | None:
        if {*self.sent} & {*self.heeds}:
            return 137 if "SIGTERM" not in self.heeds else self.code
        if self.looks is None:
            return None
        self.looks -= 1
        return self.code if self.looks < 0 else None

    def send(self, signal: str) -> None:
        self.sent.append(signal)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(ending, "GRACE_SECONDS", 0.01)


def ended(seconds: float = 0.01, *, asked: bool = False, **containers: Fake) -> Ending:
    event = threading.Event()
    if asked:
        event.set()
    found = Ending(containers=cast("Any", containers), seconds=seconds, asked=event)
    found.wait()
    return found


def test_what_ends_by_itself_gets_no_signal() -> None:
    one, other = Fake(looks=3), Fake(looks=1)
    assert ended(a=one, b=other).codes == {"a": 0, "b": 0}
    assert one.sent == other.sent == []


def test_what_heeds_the_signal_is_not_killed() -> None:
    one = Fake(code=143, looks=None, heeds=("SIGTERM",))
    found = ended(60, asked=True, a=one)
    assert (found.codes, found.killed, one.sent) == ({"a": 143}, (), ["SIGTERM"])


def test_the_image_chooses_the_signal() -> None:
    one = Fake(looks=None, heeds=("SIGQUIT", "SIGTERM"), stop_signal="SIGQUIT")
    ended(60, asked=True, a=one)
    assert one.sent == ["SIGQUIT"]


def test_what_does_not_heed_the_signal_is_killed(capsys: pytest.CaptureFixture[str]) -> None:
    one = Fake(looks=None)
    found = ended(asked=True, a=one)
    assert (found.codes, found.killed, one.sent) == ({"a": 137}, ("a",), ["SIGTERM", "SIGKILL"])
    assert "SIGKILL was needed" in capsys.readouterr().err


def test_a_host_that_fails_ends_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    one, other = Fake(code=3), Fake(code=143, looks=None, heeds=("SIGTERM",))
    assert ended(60, a=one, b=other).codes == {"a": 3, "b": 143}
    assert other.sent == ["SIGTERM"]
    assert "because another host has failed" in capsys.readouterr().err


def test_a_host_that_ends_well_leaves_the_others_their_time() -> None:
    one, other = Fake(), Fake(looks=30)
    assert ended(a=one, b=other).codes == {"a": 0, "b": 0}
    assert other.sent == []


def test_a_failure_before_the_stop_is_no_stop() -> None:
    one, other = Fake(code=3, looks=0), Fake(code=143, looks=None, heeds=("SIGTERM",))
    assert not ended(60, asked=True, a=one, b=other).stopped
    assert ended(60, asked=True, b=Fake(code=143, looks=None, heeds=("SIGTERM",))).stopped
    assert not ended(60, asked=True, a=Fake(looks=0)).stopped
