"""Limits in seconds of a machine at rest, signals that are heard, and what no machine excuses."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from buildkit.contract import machine
from buildkit.contract.checks import Unseen
from buildkit.contract.engine import Line, Process
from buildkit.contract.jobs import endings, training
from buildkit.contract.machine import Limit, Machine

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Clock:
    """Time that passes only when somebody waits."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    def thread_time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    for name in ("monotonic", "sleep", "thread_time"):
        monkeypatch.setattr(time, name, getattr(found, name))
    return found


@dataclass
class Program:
    """A container that ends `needs` seconds after its start or after a signal that it hears.

    `busy` is the share of a processor that it gets, and of that it makes use until `works`. It
    listens `listens` seconds after its start, and prints at `prints`; where `listens` is None nobody
    can tell that, and it does so after `deaf`.
    """

    clock: Clock
    needs: float = 1e9
    busy: float = 0.0
    listens: float | None = 1e9
    deaf: float = 0.0
    works: float = 1e12
    prints: float = 1e9
    signals: list[str] = field(default_factory=list)
    ends: float | None = None
    stop_signal = "SIGTERM"

    def __post_init__(self) -> None:
        self.began = self.clock.now
        self.until = self.began + self.needs

    def wait(self, seconds: float) -> int | None:
        if self.clock.now + seconds < self.until:
            self.clock.now += seconds
            return None
        self.clock.now = max(self.clock.now, self.until)
        return 137 if "SIGKILL" in self.signals else 0

    def processor_seconds(self) -> float | None:
        if self.clock.now >= self.until:
            return None
        return self.busy * (min(self.clock.now, self.works) - self.began)

    def hears(self, name: str) -> bool | None:
        if self.listens is None:
            return None
        return name == "SIGTERM" and self.clock.now >= self.began + self.listens

    def logs(self) -> str:
        return "said" if self.clock.now >= self.began + self.prints else ""

    def lines(self) -> tuple[Line, ...]:
        return (Line(at=self.began + self.prints, text="said"),) if self.logs() else ()

    def processes(self) -> tuple[Process, ...]:
        return (Process(pid=1, state="S", command="python train"),)

    def send(self, name: str) -> None:
        self.signals.append(name)
        if name == "SIGKILL":
            self.until = self.clock.now
        elif self.ends is not None and self.clock.now >= self.began + (self.listens or self.deaf):
            self.until = self.clock.now + self.ends


@dataclass
class Reference:
    """An engine on which the reference program takes `slowdown` times as long as it computes."""

    clock: Clock
    slowdown: float

    @contextmanager
    def container(self, _image: str, start: object) -> Iterator[Any]:
        assert start is machine.REFERENCE
        began = self.clock.now
        self.clock.now += self.slowdown
        yield SimpleNamespace(
            start=lambda: None,
            wait=lambda _seconds: 0,
            lines=lambda: (
                Line(at=began, text=""),
                Line(at=self.clock.now, text="0m0.800s 0m0.200s"),
                Line(at=began + self.slowdown, text="0m0.000000s 0m0.000000s"),
            ),
        )


def on(clock: Clock, slowdown: float) -> Machine:
    engine: Any = Reference(clock, slowdown)
    return Machine(engine=engine, image="demo")


def program(clock: Clock, **facts: Any) -> Any:
    return Program(clock=clock, **facts)


def test_the_slowdown_is_how_much_longer_the_reference_takes_than_it_computes(clock: Clock) -> None:
    assert on(clock, 1).slowdown() == 1
    assert on(clock, 7).slowdown() == pytest.approx(7)


@pytest.mark.parametrize("log", [(), (Line(at=1, text="sh: times: not found"),)])
def test_an_image_without_a_shell_is_measured_from_here(log: tuple[Line, ...]) -> None:
    @contextmanager
    def container(_image: str, _start: object) -> Iterator[Any]:
        refusal = None if log else "no such file"
        yield SimpleNamespace(start=lambda: refusal, wait=lambda _seconds: 0, lines=lambda: log)

    engine: Any = SimpleNamespace(container=container)
    assert Machine(engine=engine, image="demo").slowdown() >= 1


@pytest.mark.parametrize(
    ("slowdown", "busy", "needs", "in_time"),
    [
        pytest.param(1, 1.0, 9.9, True, id="in time"),
        pytest.param(1, 1.0, 20, False, id="too slow on a machine at rest"),
        pytest.param(4, 0.25, 25, True, id="starved: 25 s are about 6 s at rest"),
        pytest.param(4, 0.0, 25, False, id="asleep, which no machine excuses"),
        pytest.param(1.5, 1.0, 30, False, id="three times the limit on a machine half as fast"),
    ],
)
def test_a_limit_counts_what_a_machine_at_rest_would_need(
    clock: Clock, slowdown: float, busy: float, needs: float, in_time: bool
) -> None:
    image = program(clock, needs=needs, busy=busy)
    code = on(clock, slowdown).wait(image, 10)
    assert code == (0 if in_time else None)


def test_an_engine_that_takes_its_time_for_a_reading_makes_no_container_idle(clock: Clock) -> None:
    """What is computed before the first reading is not known, and that time does not count."""
    image = program(clock, needs=34, busy=0.25)
    read, slow = image.processor_seconds, [6.0]

    def reading() -> float | None:
        clock.sleep(slow.pop() if slow else 0)
        found: float | None = read()
        return found

    image.processor_seconds = reading
    assert on(clock, 4).wait(image, 10) == 0


def test_work_that_has_ended_when_the_limit_is_over_still_counts(clock: Clock) -> None:
    """The reference takes its time, too: what is computed while it runs says nothing."""
    image = program(clock, needs=14, busy=0.25, works=1010.0)
    assert on(clock, 4).wait(image, 10) == 0


def test_a_machine_that_was_busy_half_way_is_no_quicker_for_being_idle_at_the_end(
    clock: Clock,
) -> None:
    engine = Reference(clock, 15)
    here = Machine(engine=engine, image="demo")  # type: ignore[arg-type]
    limit = here.limit(program(clock, busy=0.125), 10)
    while not limit.passed and clock.now < 1010:
        clock.sleep(max(limit.left, 0.1))
        limit.expired()
        engine.slowdown = 15 if clock.now < 1009 else 1
    assert not limit.passed


def test_what_cannot_be_told_is_not_waited_for_without_end(clock: Clock) -> None:
    with pytest.raises(Unseen, match="too busy to judge"):
        on(clock, 100).wait(program(clock, busy=0.01), 10)
    assert clock.now < 1000 + 10 * (machine.MOST + 20)


def test_a_limit_without_a_machine_is_one_by_the_clock(clock: Clock) -> None:
    limit = Limit(seconds=5)
    assert (limit.left, limit.expired(), limit.most) == (5, False, 5)
    clock.sleep(5)
    assert (limit.left, limit.expired(), limit.passed) == (0, True, True)


AT_ONCE = endings.Moment()


def ended_well(ending: endings.Ending) -> bool:
    return ending.exit_code == 0 and not ending.killed


def stopped(image: Any, slowdown: float = 1, moment: endings.Moment = AT_ONCE) -> endings.Ending:
    return endings.stop(moment)(bench(image.clock, slowdown), image)


def bench(clock: Clock, slowdown: float) -> Any:
    return SimpleNamespace(engine=Reference(clock, slowdown), subject=SimpleNamespace(image="demo"))


def test_a_trainer_that_is_silent_while_it_starts_is_not_stopped_before_it_listens(
    clock: Clock,
) -> None:
    image = program(clock, listens=8, ends=2, needs=200)
    assert ended_well(stopped(image))
    assert image.signals == ["SIGTERM"]


def test_one_that_prints_long_before_it_listens_is_asked_again(clock: Clock) -> None:
    image = program(clock, prints=1, listens=30, ends=2, needs=200)
    assert ended_well(stopped(image))
    assert image.signals == ["SIGTERM", "SIGTERM"]


def test_where_nobody_can_tell_who_listens_it_is_asked_now_and_then(clock: Clock) -> None:
    image = program(clock, prints=1, listens=None, deaf=30, ends=2)
    assert ended_well(stopped(image))
    assert set(image.signals) == {"SIGTERM"}
    assert len(image.signals) > 2


def test_one_that_never_listens_is_killed_after_the_time_that_sagemaker_gives(clock: Clock) -> None:
    image = program(clock, prints=1)
    assert stopped(image).killed
    assert image.signals == ["SIGTERM", "SIGKILL"]
    assert clock.now - 1000 == pytest.approx(endings.STOP_SECONDS, rel=0.1)


def test_one_that_listens_and_does_not_end_is_killed(clock: Clock) -> None:
    image = program(clock, listens=1, ends=500)
    assert stopped(image).killed.startswith("SIGKILL was needed")


def test_one_that_has_ended_was_not_killed(clock: Clock) -> None:
    image = program(clock, needs=3, prints=5)
    assert ended_well(stopped(image))
    assert image.signals == []


def test_the_signal_waits_for_the_middle_of_the_work(clock: Clock) -> None:
    image = program(clock, listens=1, prints=20, ends=2, needs=200)
    ending = stopped(image, moment=endings.Moment(seconds=10, lines=1))
    assert clock.now - 1000 == pytest.approx(22, abs=0.5)
    assert ending.signalled is not None
    assert (ending.signalled.heard, ending.signalled.lines) == (True, 1)
    assert ending.signalled.first == "python train"


def test_one_that_never_listens_and_ends_by_itself_has_not_heard(clock: Clock) -> None:
    ending = stopped(program(clock, prints=1, needs=10))
    assert ended_well(ending)
    assert ending.signalled is not None
    assert ending.signalled.heard is False


def test_one_that_ends_while_it_is_waited_for_got_no_signal(clock: Clock) -> None:
    image = program(clock, listens=1, prints=1, needs=9)
    ending = stopped(image, moment=endings.Moment(seconds=10, lines=1))
    assert ended_well(ending)
    assert (ending.signalled, image.signals) == (None, [])


@pytest.mark.parametrize(
    ("slowdown", "busy", "idle", "code"),
    [
        (1, 0.0, 5, 0),
        (1, 0.0, 60, None),
        (8, 0.0, 60, None),
        (8, 0.125, 60, 0),
        (1.2, 1.0, 60, None),
    ],
)
def test_an_end_that_comes_late_after_the_last_line(
    clock: Clock, slowdown: float, busy: float, idle: float, code: int | None
) -> None:
    image = program(clock, prints=2, needs=2 + idle, busy=busy)
    assert training._while_it_talks(bench(clock, slowdown), image).exit_code == code
