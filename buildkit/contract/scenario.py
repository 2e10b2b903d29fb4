"""The test bench of an image: scenarios put the image to work, each at most once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager, ExitStack

    from buildkit.contract.engine import Engine
    from buildkit.model.features import Feature
    from buildkit.model.target import Purpose, Samples

Observed = TypeVar("Observed")
Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An image, by any reference that the engine knows, and what it is tested with.

    `architecture` is what the image is built for, None if undeclared. `labelled` are the features
    that only its labels promise. `network`: its containers have a network.
    """

    image: str
    architecture: str | None
    purpose: Purpose
    samples: Samples
    features: frozenset[Feature] = frozenset()
    labelled: frozenset[Feature] = frozenset()
    network: bool = False


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A subject on an engine. `once` makes what several scenarios share; `kept` cleans it up."""

    subject: Subject
    engine: Engine
    kept: ExitStack
    _made: dict[Callable[[Bench], Any], Future[Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _staged: dict[int, str] = field(default_factory=dict)
    _notes: dict[str, str] = field(default_factory=dict)
    _began: dict[str, float] = field(default_factory=dict)

    def begin(self, scenario: Scenario[Any]) -> None:
        """From now on this thread works on a scenario."""
        self._staged[threading.get_ident()] = scenario.title
        self._notes.pop(scenario.title, None)
        self._began[scenario.title] = time.monotonic()

    def note(self, text: str) -> None:
        """Record what the scenario of this thread is waiting for, for progress lines."""
        self._notes[self._staged.get(threading.get_ident(), "")] = text

    def at_work(self, scenario: Scenario[Any]) -> str:
        """The title of a scenario, how long it has run until now, and what it is waiting for."""
        note, now = self._notes.get(scenario.title, ""), time.monotonic()
        seconds = int(now - self._began.get(scenario.title, now))
        return f"{scenario.title}{(seconds and f' for {seconds} s') or ''}{note and f', {note}'}"

    def once(self, make: Callable[[Bench], Value]) -> Value:
        """What the first call of `make` returned or raised. Later calls wait for the first."""
        with self._lock:
            first = make not in self._made
            if first:
                self._made[make] = Future()
        promise: Future[Value] = self._made[make]
        if first:
            try:
                promise.set_result(make(self))
            except BaseException as error:  # noqa: BLE001 - raised below, for every caller
                promise.set_exception(error)
        return promise.result()

    def made(self, make: Callable[[Bench], Value]) -> Value | None:
        """What `make` has returned, None if it was not called or failed."""
        promise: Future[Value] | None = self._made.get(make)
        if promise is None or not promise.done() or promise.exception() is not None:
            return None
        return promise.result()

    def keep(self, context: AbstractContextManager[Value]) -> Value:
        """Enter a context that ends with the bench."""
        with self._lock:
            return self.kept.enter_context(context)


@dataclass(frozen=True, kw_only=True)
class Scenario(Generic[Observed]):
    """A way to put an image to work and to observe it.

    `title` is for people. `stage` raises Unseen where the image cannot be put to work like this.
    A scenario that is `alone` runs while no other does: its checks measure times.
    """

    title: str
    stage: Callable[[Bench], AbstractContextManager[Observed]]
    purpose: Purpose | None = None
    alone: bool = False


def scenario(
    title: str, purpose: Purpose | None = None, *, alone: bool = False
) -> Callable[[Callable[[Bench], Iterator[Observed]]], Scenario[Observed]]:
    """Make a scenario of a generator. What it yields is observed, then it cleans up."""

    def make(stage: Callable[[Bench], Iterator[Observed]]) -> Scenario[Observed]:
        return Scenario(title=title, stage=contextmanager(stage), purpose=purpose, alone=alone)

    return make


def observation(
    title: str, purpose: Purpose | None = None, *, alone: bool = False
) -> Callable[[Callable[[Bench], Observed]], Scenario[Observed]]:
    """Make a scenario of a function. What it returns is observed; it runs once for each bench."""

    def make(observe: Callable[[Bench], Observed]) -> Scenario[Observed]:
        @scenario(title, purpose, alone=alone)
        def stage(bench: Bench) -> Iterator[Observed]:
            yield bench.once(observe)

        return stage

    return make
