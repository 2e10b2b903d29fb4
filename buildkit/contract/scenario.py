"""Where an image under test stands: scenarios put it to work, each at most once."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager, ExitStack

    from buildkit.contract.engine import Engine
    from buildkit.model.features import Feature
    from buildkit.model.target import Purpose, Samples

Observed = TypeVar("Observed")
Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An image, by whatever reference the engine knows, and what it is tested with.

    `architecture` is what it is made for, None where nobody says so. `labelled` are those of its
    features that only its own labels promise. `network`: its containers reach what is outside.
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
    """A subject on an engine. What several scenarios need is made by `once`, and kept in `kept`."""

    subject: Subject
    engine: Engine
    kept: ExitStack
    _made: dict[Callable[[Bench], Any], Future[Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _staged: dict[int, str] = field(default_factory=dict)
    _notes: dict[str, str] = field(default_factory=dict)

    def begin(self, scenario: Scenario[Any]) -> None:
        """From now on this thread is at work on a scenario."""
        self._staged[threading.get_ident()] = scenario.title
        self._notes.pop(scenario.title, None)

    def note(self, text: str) -> None:
        """What the scenario of this thread waits for right now, for people."""
        self._notes[self._staged.get(threading.get_ident(), "")] = text

    def at_work(self, scenario: Scenario[Any]) -> str:
        """The title of a scenario, and what it waits for."""
        note = self._notes.get(scenario.title, "")
        return f"{scenario.title}{note and f', {note}'}"

    def once(self, make: Callable[[Bench], Value]) -> Value:
        """What `make` returned or raised, from the first call on. Others wait for the first."""
        with self._lock:
            first = make not in self._made
            if first:
                self._made[make] = Future()
        promise: Future[Value] = self._made[make]
        if first:
            try:
                promise.set_result(make(self))
            except BaseException as error:  # noqa: BLE001 - it is raised below, to everyone
                promise.set_exception(error)
        return promise.result()

    def made(self, make: Callable[[Bench], Value]) -> Value | None:
        """What `make` has returned, None if it was not asked for, or failed."""
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
    """A way to put an image to work, and to observe it.

    `title` is for people. `stage` raises Unseen where the image cannot be put to work so. Nothing
    else runs beside a scenario that is `alone`: its checks take times.
    """

    title: str
    stage: Callable[[Bench], AbstractContextManager[Observed]]
    purpose: Purpose | None = None
    alone: bool = False
