"""Variants of the good run: all in one run, and each alone only if that one fails."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful, Unseen
from buildkit.contract.jobs import endings, training_job, training_runs
from buildkit.contract.scenario import Scenario, observation
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from buildkit.contract.engine import Start
    from buildkit.contract.jobs.endings import Then
    from buildkit.contract.jobs.training_job import Job
    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.scenario import Bench
    from buildkit.contract.signs import Sign
    from buildkit.model.target import Samples

SHORT_SECONDS = endings.TRAIN_SECONDS / 4
"""A good run of at most this time proves that a variant of it had enough time to end."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The run on the samples with one thing about its job or its container changed.

    `title` ends a sentence that begins with `with`. `hyperparameters` are further ones, derived
    from the samples. `lacks` is why a job cannot be varied like this, None if it can.
    """

    title: str
    change: Callable[[Job], Job] = lambda work: work
    conditions: Callable[[Bench, Start], Start] = lambda _bench, start: start
    hyperparameters: Callable[[Samples], Mapping[str, str]] = lambda _samples: {}
    lacks: Callable[[Job], Unseen | None] = lambda _work: None

    def __call__(self, change: Callable[[Job], Job]) -> Variant:
        """As a decorator: the variant with the function that changes the job."""
        return replace(self, change=change)

    def need(self, work: Job) -> None:
        """Raises Unseen if a job cannot be varied like this."""
        if why := self.lacks(work):
            raise why


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """`together` is the run with all variants: if it is good, each of them is."""

    bench: Bench
    plain: Run
    together: Run
    _alone: dict[Variant, Run] = field(default_factory=dict)

    def run(self, variant: Variant) -> Run:
        """A run with this variant, good or not. Raises Unseen."""
        variant.need(training_job.of(self.bench.subject.samples))
        return self.together if self.together.good else self.alone(variant)

    def alone(self, variant: Variant) -> Run:
        """The run with this variant only."""
        if variant not in self._alone:
            self._alone[variant] = train(self.bench, (variant,))
        return self._alone[variant]

    def good(self, variant: Variant) -> Run:
        """Like `run`, but raises Broken if the run failed."""
        run = self.run(variant)
        blame(self.plain, run, variant.title)
        return run

    def fair(self, variant: Variant) -> None:
        """Raises Doubtful if the run failed."""
        if not (run := self.run(variant)).good:
            raise Doubtful(f"with {variant.title} `train` {run.evidence}")


def blame(plain: Run, run: Run, title: str, *signs: Sign) -> None:
    """Raise Broken if a run failed that differs from the good one by `title`."""
    if run.good:
        return
    excuse_slow(plain, run)
    raise Broken(f"with {title} `train` {run.evidence}", *signs, *run.signs)


def excuse_slow(plain: Run, run: Run) -> None:
    """Raise Unseen if a run may have failed only for lack of time."""
    hangs = run.exit_code is None and run.refusal is None and not run.ended_by
    if hangs and plain.seconds > SHORT_SECONDS:
        raise Unseen(f"`train` takes {plain.seconds:.0f} s, too long to compare")


def train(bench: Bench, variants: Sequence[Variant], *, then: Then | None = None) -> Run:
    work, start = training_job.of(bench.subject.samples), training_runs.TRAIN
    for each in variants:
        work, start = each.change(work), each.conditions(bench, start)
        more = each.hyperparameters(bench.subject.samples)
        work = replace(work, hyperparameters={**more, **work.hyperparameters})
    return training_runs.train(bench, work, start=start, then=then)


def of(title: str, variants: Sequence[Variant]) -> Scenario[Bundle]:
    """A scenario of variants that do not affect each other."""

    @observation(title, Purpose.TRAINING)
    def varied(bench: Bench) -> Bundle:
        plain = training_runs.needs_good(bench)
        work = training_job.of(bench.subject.samples)
        fit = [each for each in variants if not each.lacks(work)]
        if not fit:
            variants[0].need(work)
        return Bundle(bench=bench, plain=plain, together=train(bench, fit))

    return varied
