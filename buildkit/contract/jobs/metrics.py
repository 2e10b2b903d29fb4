"""Clauses of metrics in the log of a training job (MET, HPO)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import regex

from buildkit.contract.checks import Broken, Doubtful, Unseen, check
from buildkit.contract.jobs import training_runs, variants
from buildkit.contract.jobs.configuration import ODD
from buildkit.contract.logs import last_lines
from buildkit.contract.scenario import observation
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.jobs.variations import Bundle
    from buildkit.contract.scenario import Bench

NUMBER = re.compile(
    r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE
)
LINE_SECONDS = 10
"""Only ends a hang: a pattern takes microseconds for a line, unless it backtracks endlessly."""
LONG_LOG = 1500
"""The number of lines above which the log may be longer than what is kept of it."""
ESCAPE = "\x1b"


@dataclass(frozen=True, kw_only=True)
class Printed:
    """The log of a good run, and the declared metrics: names and patterns."""

    run: Run
    metrics: Mapping[str, str]


@observation("the log of `train` on the samples", Purpose.TRAINING)
def log_of_train(bench: Bench) -> Printed:
    return Printed(run=training_runs.needs_good(bench), metrics=dict(bench.subject.samples.metrics))


def values(pattern: str, lines: Iterable[str]) -> list[str]:
    """The values of a metric as SageMaker finds them: the first group, line by line.

    Raises Broken or Unseen. `regex` has a time-out, unlike `re`: some patterns backtrack for years.
    """
    try:
        compiled = regex.compile(pattern)
    except regex.error as error:
        raise Unseen(f"`{pattern}` is not a valid pattern", f": {error}") from error
    if not compiled.groups:
        raise Broken(f"`{pattern}` has no group, so it yields no number")
    texts = []
    for line in lines:
        try:
            found = compiled.search(line, timeout=LINE_SECONDS, concurrent=True)
        except TimeoutError as error:
            raise Broken(
                f"`{pattern}` takes more than {LINE_SECONDS} s on the line {line[:80]!r}: write it "
                "without a repetition inside a repetition"
            ) from error
        if found is not None:
            texts.append(found[1] or "")
    return texts


def is_finite(text: str) -> bool:
    """Python's own float() takes more, such as 1_000."""
    return NUMBER.fullmatch(text.strip()) is not None and math.isfinite(float(text))


@check("MET-01", log_of_train, decides=True)
def metrics_are_numbers(printed: Printed) -> None:
    """Each declared pattern matches a line of the log, and its first group is a plain number."""
    lines = printed.run.said
    if not printed.metrics:
        raise Unseen("no metric is declared")
    for name, pattern in printed.metrics.items():
        found = values(pattern, lines)
        if not found:
            _excuse_long(lines)
            raise Broken(f"no line matches `{pattern}` of the metric {name}{_shown(lines)}")
        strange = [text for text in found if not is_finite(text)]
        if strange:
            raise Broken(f"the metric {name} has the value {strange[0][:80]!r}")


@check("MET-01", log_of_train, decides=True)
def lines_are_plain(printed: Printed) -> None:
    """If no metric is declared, lines have no escape codes and no carriage returns."""
    if printed.metrics:
        raise Unseen("the declared metrics are checked instead")
    for line in printed.run.said:
        if ESCAPE in line or "\r" in line:
            raise Doubtful(f"a pattern is unlikely to match {line[:200]!r}")


@check("HPO-01", ODD)
def objective_is_printed(seen: Bundle) -> None:
    """With the tuner's hyperparameter, the objective is printed at least once as a number."""
    samples = seen.bench.subject.samples
    pattern = dict(samples.metrics).get(samples.objective or "")
    if pattern is None:
        raise Unseen("the samples declare no objective")
    if _has_number(pattern, seen.good(variants.TUNED).said):
        return
    lines = seen.alone(variants.TUNED).said
    if not _has_number(pattern, lines):
        _excuse_long(lines)
        raise Broken(f"no line has a number for `{pattern}` of {samples.objective}{_shown(lines)}")


def _has_number(pattern: str, lines: Iterable[str]) -> bool:
    return any(map(is_finite, values(pattern, lines)))


def _excuse_long(lines: list[str]) -> None:
    if len(lines) > LONG_LOG:
        raise Unseen("the log is longer than the part that is kept")


def _shown(lines: list[str]) -> str:
    return last_lines("\n".join(line[:200] for line in lines[-10:]))
